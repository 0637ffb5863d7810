use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use harness::error::Error;
use harness::project::{Profile, Project};
use harness::stack::compose::File;
use harness::stack::deploy::{self, Plan};
use serde_json::{Value, json};

use crate::fake::{self, Fake};

fn plan() -> Plan {
    Plan {
        profile: None,
        port: Some(0),
        scale: Vec::new(),
        db_route: "direct".to_owned(),
        volume_size: None,
        environment: BTreeMap::new(),
        images: harness::image::Options::default(),
        planted: None,
        wait_timeout: Duration::from_secs(1),
    }
}

fn checkout() -> (tempfile::TempDir, Project) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("compose")).unwrap();
    for name in ["stack.yml", "stack-small.yml"] {
        fs::write(
            dir.path().join("compose").join(name),
            "services: { order: { image: x, secrets: [password] } }\n\
             secrets: { password: { external: true, name: shop_db_password } }\n",
        )
        .unwrap();
    }
    let project = Project::find(Some(dir.path())).unwrap();
    (dir, project)
}

async fn engine(services: Value, volumes: Value) -> Fake {
    let fake = fake::start(fake::manager()).await;
    fake::answer(&fake.server, "GET", "/services$", &services).await;
    fake::answer(&fake.server, "GET", "/volumes$", &volumes).await;
    for path in [
        "/tasks$",
        "/containers/json$",
        "/secrets$",
        "/networks$",
        "/configs$",
    ] {
        fake::answer(&fake.server, "GET", path, &json!([])).await;
    }
    fake
}

/// Nothing may have been made or changed.
async fn assert_untouched(fake: &Fake) {
    for verb in ["POST", "PUT", "DELETE"] {
        assert_eq!(fake::asked(&fake.server, verb, "/").await, [], "{verb}");
    }
}

#[tokio::test]
async fn data_whose_passwords_are_gone_is_refused_before_anything_is_made() {
    let volumes = json!({"Volumes": [{
        "Name": "shop_order-db-0", "Driver": "local", "Mountpoint": "/x", "Scope": "local", "Labels": {}, "Options": {},
    }]});
    let fake = engine(json!([]), volumes).await;
    let (_dir, project) = checkout();
    let error = deploy::up(&fake.cluster, &project, &plan())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::SecretsGone { volumes, .. } if volumes == "shop_order-db-0"),
        "{error}"
    );
    assert_untouched(&fake).await;
}

#[tokio::test]
async fn a_port_that_another_service_has_is_refused_before_anything_is_made() {
    let other = json!([{"ID": "o", "Spec": {
        "Name": "other_gateway",
        "Labels": {"com.docker.stack.namespace": "other"},
        "EndpointSpec": {"Ports": [{"TargetPort": 8000, "PublishedPort": 8123}]},
    }}]);
    let fake = engine(other, json!({"Volumes": []})).await;
    let (_dir, project) = checkout();
    let wish = Plan {
        port: Some(8123),
        ..plan()
    };
    let error = deploy::up(&fake.cluster, &project, &wish)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "port 8123 of this machine is taken by the service other_gateway"
    );
    assert_untouched(&fake).await;
}

#[tokio::test]
async fn another_profile_on_the_same_data_is_refused() {
    let volumes = json!({"Volumes": [{
        "Name": "shop_order-db-0", "Driver": "local", "Mountpoint": "/x",
        "Scope": "local", "Labels": {"webshop.profile": "full"}, "Options": {},
    }]});
    let fake = engine(json!([]), volumes).await;
    let (_dir, project) = checkout();
    let wish = Plan {
        profile: Some(Profile::Small),
        ..plan()
    };
    let error = deploy::up(&fake.cluster, &project, &wish)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ProfileMismatch { .. }), "{error}");
    assert_untouched(&fake).await;
}

#[tokio::test]
async fn a_bound_is_refused_where_volumes_have_none() {
    let volume = |name: &str, labels: Value| {
        json!({
            "Name": name, "Driver": "local", "Mountpoint": "/x", "Scope": "local",
            "Labels": labels, "Options": {},
        })
    };
    let with = json!({"webshop.device": "/dev/loop7"});
    for (device, refused) in [(with, false), (json!({}), true)] {
        let volumes = json!({"Volumes": [
            volume("shop_disks", json!({})),
            volume("shop_order-db-0", device),
        ]});
        let fake = engine(json!([]), volumes).await;
        let (_dir, project) = checkout();
        let wish = Plan {
            volume_size: Some(1 << 30),
            ..plan()
        };
        let error = deploy::up(&fake.cluster, &project, &wish)
            .await
            .unwrap_err();
        assert_eq!(
            matches!(error, Error::VolumesUnbound { .. }),
            refused,
            "{error}"
        );
        assert_untouched(&fake).await;
    }
}

#[tokio::test]
async fn a_service_that_cannot_be_scaled_is_refused() {
    let fake = engine(json!([]), json!({"Volumes": []})).await;
    let (_dir, project) = checkout();
    let wish = Plan {
        scale: vec![("nothing".to_owned(), 2)],
        ..plan()
    };
    let error = deploy::up(&fake.cluster, &project, &wish)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::UnknownService { known, .. } if known == &["order"]),
        "{error}"
    );
    assert_untouched(&fake).await;
}

#[test]
fn both_stack_files_are_understood() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let project = Project::find(Some(&root)).unwrap();
    let names = |profile| -> Vec<String> {
        let file = File::read(&project.stack_file(profile), &BTreeMap::new()).unwrap();
        for service in file.services.values() {
            assert_eq!(service.dns_opt, ["ndots:1", "timeout:1", "attempts:2"]);
        }
        file.services.into_keys().collect()
    };
    assert_eq!(names(Profile::Full).len(), 21);
    assert_eq!(
        names(Profile::Small),
        [
            "agent",
            "gateway",
            "kafka-0",
            "order",
            "order-db-0",
            "payment",
            "payment-db-0",
            "redis",
            "stock",
            "stock-db-0"
        ]
    );
}
