use super::*;

const SMALL: &str = "\
x-task: &task
  networks: [shop]
  stop_grace_period: 1500ms
services:
  order:
    <<: *task
    image: webshop/services:${TAG:-latest}
    environment:
      LISTEN: 0.0.0.0:8000
      COUNT: 3
      QUOTED: \"03\"
      YES: true
    volumes: [\"data:/var/lib/order\"]
    secrets: [password]
    deploy:
      mode: replicated
      replicas: ${REPLICAS:-2}
      endpoint_mode: dnsrr
networks: { shop: { driver: overlay } }
volumes: { data: {} }
secrets: { password: { external: true, name: webshop_password } }
";

fn parse(text: &str) -> Result<File> {
    File::parse("stack.yml", text, &BTreeMap::new())
}

fn mistake(text: &str) -> (u64, String) {
    match parse(text) {
        Err(Error::Compose { line, message, .. }) => (line, message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_service_takes_what_it_merges() {
    let file = parse(SMALL).unwrap();
    let order = &file.services["order"];
    assert_eq!(order.image, "webshop/services:latest");
    assert_eq!(order.networks, ["shop"]);
    assert_eq!(order.stop_grace_period, Some(Duration::from_millis(1_500)));
    assert_eq!(order.deploy.replicas, Some(2));
    let environment: Vec<(&str, &str)> = order
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.0.as_str()))
        .collect();
    assert_eq!(
        environment,
        [
            ("COUNT", "3"),
            ("LISTEN", "0.0.0.0:8000"),
            ("QUOTED", "03"),
            ("YES", "true")
        ]
    );
}

#[test]
fn an_unknown_key_is_refused_by_name_and_line() {
    let (line, message) =
        mistake(&SMALL.replace("    secrets:", "    privileged: true\n    secrets:"));
    assert_eq!(line, 14);
    assert!(message.contains("unknown key `privileged`"), "{message}");

    let (line, message) = mistake(&SMALL.replace("endpoint_mode", "resources"));
    assert_eq!(line, 18);
    assert!(message.contains("unknown key `resources`"), "{message}");

    let (line, message) = mistake(&format!("{SMALL}configs: {{}}\n"));
    assert_eq!(line, 22, "{message}");
    assert!(message.contains("unknown key `configs`"), "{message}");
}

#[test]
fn an_unknown_key_in_a_merged_block_is_refused() {
    let (_, message) = mistake(&SMALL.replace(
        "  stop_grace_period",
        "  stdin_open: true\n  stop_grace_period",
    ));
    assert!(message.contains("unknown key `stdin_open`"), "{message}");
}

#[test]
fn what_this_kernel_may_not_have_is_refused() {
    let (line, message) = mistake(&SMALL.replace("dnsrr", "vip"));
    assert_eq!(line, 18);
    assert!(message.contains("vip"), "{message}");
}

#[test]
fn a_variable_without_a_value_is_refused_with_its_line() {
    let (line, message) = mistake(&SMALL.replace("${TAG:-latest}", "${TAG}"));
    assert_eq!(
        (line, message.as_str()),
        (7, "the variable TAG is not set and has no default")
    );
}

#[test]
fn names_that_are_not_defined_are_refused() {
    for (from, to, part) in [
        (
            "secrets: [password]",
            "secrets: [pass]",
            "the secret `pass`",
        ),
        (
            "networks: [shop]",
            "networks: [other]",
            "the network `other`",
        ),
        ("data:/var", "dat:/var", "the volume `dat`"),
        ("data:/var", "data:var", "absolute path"),
    ] {
        let (_, message) = mistake(&SMALL.replace(from, to));
        assert!(message.contains(part), "{message}");
    }
}
