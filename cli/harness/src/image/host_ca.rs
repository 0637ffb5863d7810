//! The certificate authorities that this machine trusts and a fresh Debian would not: behind a proxy
//! that intercepts TLS, builds need them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Where an administrator puts authorities of their own.
const LOCAL: &str = "/usr/local/share/ca-certificates";
/// What Debian's package ships; absent on other systems.
const SHIPPED: &str = "/usr/share/ca-certificates";
/// The system's bundle of all of them.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    /// From its content, so the same certificate has the same name everywhere.
    pub(super) name: String,
    pub(super) pem: String,
}

/// Collects what to pass on. Where it cannot be told which ones Debian ships, all are passed.
pub(super) fn collect(bundle: Option<&Path>) -> Result<Vec<Authority>> {
    let trusted = bundle.unwrap_or(Path::new(BUNDLE));
    let mut found: Vec<String> = certificates_below(Path::new(LOCAL))?;
    if trusted.is_file() {
        found.extend(certificates(&read(trusted)?));
    } else if bundle.is_some() {
        return Err(Error::io(
            format!("read {}", trusted.display()),
            std::io::ErrorKind::NotFound.into(),
        ));
    }
    let shipped: BTreeSet<String> = certificates_below(Path::new(SHIPPED))?
        .into_iter()
        .collect();
    Ok(beyond(&found, &shipped))
}

/// Those that are not shipped, each once, in the order of their names.
fn beyond(found: &[String], shipped: &BTreeSet<String>) -> Vec<Authority> {
    let unique: BTreeMap<String, &String> = found
        .iter()
        .filter(|body| !shipped.contains(*body))
        .map(|body| (name(body), body))
        .collect();
    unique
        .into_iter()
        .map(|(name, body)| Authority {
            name,
            pem: format!("{BEGIN}\n{}\n{END}\n", wrapped(body)),
        })
        .collect()
}

fn name(body: &str) -> String {
    Sha256::digest(body)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The base64 bodies of every certificate in a PEM text, without their line breaks.
fn certificates(text: &str) -> Vec<String> {
    text.split(BEGIN)
        .skip(1)
        .filter_map(|rest| rest.split_once(END))
        .map(|(body, _)| body.split_whitespace().collect())
        .collect()
}

fn wrapped(body: &str) -> String {
    const WIDTH: usize = 64;
    let mut lines = Vec::new();
    let mut rest = body;
    while rest.len() > WIDTH && rest.is_char_boundary(WIDTH) {
        let (line, tail) = rest.split_at(WIDTH);
        lines.push(line);
        rest = tail;
    }
    lines.push(rest);
    lines.join("\n")
}

/// Every certificate in the files below a directory; none where it does not exist.
fn certificates_below(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        if !at.is_dir() {
            continue;
        }
        let failed = |source| Error::io(format!("read {}", at.display()), source);
        for item in std::fs::read_dir(&at).map_err(failed)? {
            let path = item.map_err(failed)?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "crt") {
                found.extend(certificates(&read(&path)?));
            }
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path)
        .map_err(|source| Error::io(format!("read {}", path.display()), source))?;
    // Comments between certificates may be in any encoding; certificates are ASCII.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(body: &str) -> String {
        format!("# a comment\n{BEGIN}\n{body}\n{END}\n")
    }

    #[test]
    fn a_bundle_is_split_into_its_certificates() {
        let text = format!("{}{}", pem("AAA\nBBB"), pem("CCC"));
        assert_eq!(certificates(&text), ["AAABBB", "CCC"]);
        assert!(certificates("no certificate").is_empty());
    }

    #[test]
    fn only_what_is_not_shipped_is_passed_on_and_once() {
        let found = ["A", "B", "A"].map(str::to_owned);
        let passed = beyond(&found, &BTreeSet::from(["B".to_owned()]));
        assert_eq!(passed.len(), 1);
        assert_eq!(passed[0].pem, format!("{BEGIN}\nA\n{END}\n"));
    }

    #[test]
    fn a_certificate_reads_back_as_written() {
        let body = "x".repeat(150);
        let authority = beyond(std::slice::from_ref(&body), &BTreeSet::new());
        assert_eq!(certificates(&authority[0].pem), [body]);
        assert!(authority[0].pem.lines().all(|line| line.len() <= 64));
    }
}
