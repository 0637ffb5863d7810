//! What was found, told: every violation, and which of them share one cause.

use std::collections::HashMap;

use super::is_suspected;
use crate::{
    check::{Finding, Scene},
    explain,
    verdict::{Cause, Check, Label, Violation},
};

/// How many violations of one check are explained whole. The others say where to look: an order's story
/// is one command away, and a million of them must fit on a disk.
const WHOLE_MAX: usize = 1000;

#[derive(Default)]
pub(super) struct Told {
    pub(super) violations: Vec<Violation>,
    pub(super) causes: Vec<Cause>,
    index: HashMap<(Label, bool, String, Option<String>), usize>,
}

impl Told {
    pub(super) fn tell(&mut self, scene: &Scene<'_>, check: Check, findings: Vec<Finding>) {
        for (number, finding) in findings.into_iter().enumerate() {
            let suspected = is_suspected(scene, finding.label);
            let explanation = if number < WHOLE_MAX {
                explain::whole(scene, &finding)
            } else {
                explain::brief(scene, &finding)
            };
            let cause = self.cause(&finding, suspected, explanation.fault);
            self.violations.push(Violation {
                label: finding.label,
                check,
                suspected,
                subject: finding.subject,
                orders: finding.orders,
                cause,
                text: explanation.text,
            });
        }
    }

    /// The place of a cause in the list, with one more violation that has it.
    fn cause(&mut self, finding: &Finding, suspected: bool, fault: Option<String>) -> usize {
        let shape = explain::shape(&finding.contradiction);
        let key = (finding.label, suspected, shape, fault);
        let at = match self.index.get(&key) {
            Some(at) => *at,
            None => {
                let at = self.causes.len();
                self.causes.push(Cause {
                    label: finding.label,
                    suspected,
                    shape: key.2.clone(),
                    fault: key.3.clone(),
                    violations: 0,
                });
                self.index.insert(key, at);
                at
            }
        };
        self.causes[at].violations += 1;
        at
    }
}
