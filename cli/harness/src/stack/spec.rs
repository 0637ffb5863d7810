//! From the stack file to what the Engine API wants, the way `docker stack deploy` does it: the same
//! names, labels and aliases, so that `docker stack ls`, `ps`, `services` and `rm` work on the result.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{
    EndpointPortConfig, EndpointPortConfigProtocolEnum, EndpointPortConfigPublishModeEnum,
    EndpointSpec, EndpointSpecModeEnum, Mount, MountType, MountVolumeOptions,
    NetworkAttachmentConfig, ServiceSpec, ServiceSpecMode, ServiceSpecModeReplicated,
    ServiceSpecUpdateConfig, ServiceSpecUpdateConfigOrderEnum, TaskSpec, TaskSpecContainerSpec,
    TaskSpecContainerSpecDnsConfig, TaskSpecContainerSpecFile, TaskSpecContainerSpecSecrets,
    TaskSpecLogDriver, TaskSpecPlacement, TaskSpecPlacementPreferences, TaskSpecPlacementSpread,
    TaskSpecRestartPolicy, TaskSpecRestartPolicyConditionEnum,
};

use super::compose::{
    Condition, Deploy, EndpointMode, Mode, Port, Protocol, PublishMode, RestartPolicy, Scalar,
    Service, UpdateOrder,
};
use super::{IMAGE_LABEL, NAMESPACE_LABEL, PROFILE_LABEL, SPEC_LABEL, fingerprint};
use crate::cluster::StackName;
use crate::project::Profile;

/// What the file's names mean on this engine.
#[derive(Debug, Clone)]
pub(super) struct Context<'a> {
    pub(super) stack: &'a StackName,
    pub(super) profile: Profile,
    /// The networks' ids, by their names in the file.
    pub(super) networks: &'a BTreeMap<String, String>,
    /// Each secret's name and id on the engine, by its name in the file.
    pub(super) secrets: &'a BTreeMap<String, SecretReference>,
}

/// A secret on the engine.
#[derive(Debug, Clone)]
pub(super) struct SecretReference {
    pub(super) id: String,
    pub(super) name: String,
}

/// The specification of one service. It carries a fingerprint of itself as a label.
pub(super) fn service_spec(name: &str, service: &Service, context: &Context<'_>) -> ServiceSpec {
    let mut labels = texts(&service.deploy.labels);
    labels.extend(context.stack_labels());
    labels.insert(IMAGE_LABEL.to_owned(), service.image.clone());
    let mut spec = ServiceSpec {
        name: Some(context.stack.scoped(name)),
        labels: Some(labels),
        task_template: Some(TaskSpec {
            container_spec: Some(container(service, context)),
            restart_policy: service.deploy.restart_policy.as_ref().map(restart_policy),
            placement: Some(placement(&service.deploy)),
            networks: some(networks(name, service, context)),
            log_driver: service.logging.as_ref().map(|logging| TaskSpecLogDriver {
                name: Some(logging.driver.clone()),
                options: Some(texts(&logging.options)),
            }),
            ..TaskSpec::default()
        }),
        mode: Some(mode(&service.deploy)),
        update_config: service.deploy.update_config.as_ref().map(|update| {
            ServiceSpecUpdateConfig {
                parallelism: Some(1),
                order: Some(match update.order {
                    UpdateOrder::StopFirst => ServiceSpecUpdateConfigOrderEnum::STOP_FIRST,
                    UpdateOrder::StartFirst => ServiceSpecUpdateConfigOrderEnum::START_FIRST,
                }),
                ..ServiceSpecUpdateConfig::default()
            }
        }),
        endpoint_spec: Some(endpoint(service)),
        ..ServiceSpec::default()
    };
    let print = fingerprint::of(&spec);
    spec.labels
        .get_or_insert_default()
        .insert(SPEC_LABEL.to_owned(), print);
    spec
}

impl Context<'_> {
    /// What everything in the stack is labelled with.
    fn stack_labels(&self) -> HashMap<String, String> {
        HashMap::from([
            (NAMESPACE_LABEL.to_owned(), self.stack.to_string()),
            (PROFILE_LABEL.to_owned(), self.profile.name().to_owned()),
        ])
    }
}

fn container(service: &Service, context: &Context<'_>) -> TaskSpecContainerSpec {
    let environment = service
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={}", value.0))
        .collect();
    TaskSpecContainerSpec {
        image: Some(service.image.clone()),
        labels: Some(HashMap::from([(
            NAMESPACE_LABEL.to_owned(),
            context.stack.to_string(),
        )])),
        args: some(service.command.clone()),
        env: some(environment),
        mounts: some(mounts(service, context)),
        stop_grace_period: service.stop_grace_period.map(nanoseconds),
        dns_config: some(service.dns_opt.clone()).map(|options| TaskSpecContainerSpecDnsConfig {
            options: Some(options),
            ..TaskSpecContainerSpecDnsConfig::default()
        }),
        secrets: some(secrets(service, context)),
        capability_drop: some(service.cap_drop.clone()),
        ..TaskSpecContainerSpec::default()
    }
}

fn mounts(service: &Service, context: &Context<'_>) -> Vec<Mount> {
    service
        .volumes
        .iter()
        .filter_map(|mount| mount.split_once(':'))
        .map(|(volume, path)| Mount {
            typ: Some(MountType::VOLUME),
            source: Some(context.stack.scoped(volume)),
            target: Some(path.to_owned()),
            // Swarm makes the volume where the task runs, and gives it these labels.
            volume_options: Some(MountVolumeOptions {
                labels: Some(context.stack_labels()),
                ..MountVolumeOptions::default()
            }),
            ..Mount::default()
        })
        .collect()
}

fn secrets(service: &Service, context: &Context<'_>) -> Vec<TaskSpecContainerSpecSecrets> {
    service
        .secrets
        .iter()
        .filter_map(|name| context.secrets.get(name).map(|secret| (name, secret)))
        .map(|(name, secret)| TaskSpecContainerSpecSecrets {
            file: Some(TaskSpecContainerSpecFile {
                name: Some(name.clone()),
                uid: Some("0".to_owned()),
                gid: Some("0".to_owned()),
                mode: Some(0o444),
            }),
            secret_id: Some(secret.id.clone()),
            secret_name: Some(secret.name.clone()),
        })
        .collect()
}

/// By id: a network that was made anew is another network, and its services must move to it.
fn networks(name: &str, service: &Service, context: &Context<'_>) -> Vec<NetworkAttachmentConfig> {
    service
        .networks
        .iter()
        .filter_map(|network| context.networks.get(network))
        .map(|id| NetworkAttachmentConfig {
            target: Some(id.clone()),
            aliases: Some(vec![name.to_owned()]),
            ..NetworkAttachmentConfig::default()
        })
        .collect()
}

fn restart_policy(policy: &RestartPolicy) -> TaskSpecRestartPolicy {
    TaskSpecRestartPolicy {
        condition: Some(match policy.condition {
            Condition::None => TaskSpecRestartPolicyConditionEnum::NONE,
            Condition::OnFailure => TaskSpecRestartPolicyConditionEnum::ON_FAILURE,
            Condition::Any => TaskSpecRestartPolicyConditionEnum::ANY,
        }),
        delay: policy.delay.map(nanoseconds),
        ..TaskSpecRestartPolicy::default()
    }
}

fn placement(deploy: &Deploy) -> TaskSpecPlacement {
    let preferences = deploy
        .placement
        .preferences
        .iter()
        .map(|preference| TaskSpecPlacementPreferences {
            spread: Some(TaskSpecPlacementSpread {
                spread_descriptor: Some(preference.spread.clone()),
            }),
        })
        .collect();
    TaskSpecPlacement {
        constraints: some(deploy.placement.constraints.clone()),
        preferences: some(preferences),
        ..TaskSpecPlacement::default()
    }
}

fn mode(deploy: &Deploy) -> ServiceSpecMode {
    match deploy.mode {
        Mode::Global => ServiceSpecMode {
            global: Some(HashMap::new()),
            ..ServiceSpecMode::default()
        },
        Mode::Replicated => ServiceSpecMode {
            replicated: Some(ServiceSpecModeReplicated {
                replicas: Some(i64::from(deploy.replicas.unwrap_or(1))),
            }),
            ..ServiceSpecMode::default()
        },
    }
}

fn endpoint(service: &Service) -> EndpointSpec {
    EndpointSpec {
        mode: service.deploy.endpoint_mode.map(|mode| match mode {
            EndpointMode::Dnsrr => EndpointSpecModeEnum::DNSRR,
        }),
        ports: some(service.ports.iter().map(port).collect()),
    }
}

fn port(port: &Port) -> EndpointPortConfig {
    EndpointPortConfig {
        protocol: Some(match port.protocol {
            Protocol::Tcp => EndpointPortConfigProtocolEnum::TCP,
            Protocol::Udp => EndpointPortConfigProtocolEnum::UDP,
        }),
        target_port: Some(i64::from(port.target)),
        published_port: Some(i64::from(port.published)),
        publish_mode: Some(match port.mode {
            PublishMode::Host => EndpointPortConfigPublishModeEnum::HOST,
        }),
        ..EndpointPortConfig::default()
    }
}

fn texts(values: &BTreeMap<String, Scalar>) -> HashMap<String, String> {
    values
        .iter()
        .map(|(name, value)| (name.clone(), value.0.clone()))
        .collect()
}

/// The engine leaves empty lists out of what it tells; so does what is compared with it.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::compose::File;

    const FILE: &str = "\
services:
  order:
    image: webshop/services:1
    command: [order]
    environment: { LISTEN: 0.0.0.0:8000, DEADLINE: 30 }
    networks: [shop]
    ports: [{ target: 8000, published: 8001, protocol: tcp, mode: host }]
    volumes: [\"data:/var/lib/order\"]
    secrets: [password]
    cap_drop: [ALL]
    logging: { driver: json-file, options: { max-size: 10m } }
    stop_grace_period: 10s
    x-dns-opt: [\"ndots:1\"]
    deploy:
      replicas: 2
      endpoint_mode: dnsrr
      restart_policy: { condition: any, delay: 200ms }
      update_config: { order: stop-first }
      placement: { constraints: [node.role == manager], preferences: [{ spread: node.id }] }
      labels: { webshop.kind: service }
  agent:
    image: webshop/services:1
    deploy: { mode: global }
networks: { shop: { driver: overlay } }
volumes: { data: {} }
secrets: { password: { external: true, name: shop_password } }
";

    fn specs(profile: Profile) -> BTreeMap<String, ServiceSpec> {
        let file = File::parse("stack.yml", FILE, &BTreeMap::new()).unwrap();
        let stack = "shop".parse().unwrap();
        let networks = BTreeMap::from([("shop".to_owned(), "net1".to_owned())]);
        let secret = SecretReference {
            id: "sec1".to_owned(),
            name: "shop_password".to_owned(),
        };
        let context = Context {
            stack: &stack,
            profile,
            networks: &networks,
            secrets: &BTreeMap::from([("password".to_owned(), secret)]),
        };
        file.services
            .iter()
            .map(|(name, service)| (name.clone(), service_spec(name, service, &context)))
            .collect()
    }

    #[test]
    fn a_service_becomes_what_stack_deploy_makes_of_it() {
        let specs: BTreeMap<String, serde_json::Value> = specs(Profile::Full)
            .into_iter()
            .map(|(name, spec)| (name, fingerprint::canonical(&spec)))
            .collect();
        insta::assert_json_snapshot!(specs);
    }

    #[test]
    fn the_fingerprint_follows_the_specification() {
        let print = |specs: &BTreeMap<String, ServiceSpec>| {
            specs["order"].labels.as_ref().unwrap()[SPEC_LABEL].clone()
        };
        assert_eq!(print(&specs(Profile::Full)), print(&specs(Profile::Full)));
        assert_ne!(print(&specs(Profile::Full)), print(&specs(Profile::Small)));
    }
}
