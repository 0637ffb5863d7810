//! What is done in a task's network namespace: scripts for a helper that shares it. Pure.
//!
//! A fault has chains of its own in the filter table, or a queueing discipline at the root of each link but the
//! loopback. So it counts only its own packets, and undoing it touches nothing else.

use std::net::IpAddr;

use super::action::{Hold, Way};

/// The shell scripts of one fault. Each fails where one of its steps does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scripts {
    pub(super) apply: String,
    /// Prints `there` and how many packets it has acted on, or `gone` where a part of it is no longer as it was applied.
    pub(super) look: String,
    /// May be run again, and fails if something is left.
    pub(super) undo: String,
    /// What it does to a packet.
    pub(super) done: &'static str,
}

/// The variable that names other links than those of the task: the probe has only the loopback.
pub(super) const LINKS: &str = "LINKS";

/// How long `tbf` lets a packet wait before it drops it.
const TBF_LATENCY_MS: u32 = 400;
/// At least so many bytes may be sent at once; a hundredth of a second's worth where that is more, because `tbf`
/// is refilled by the kernel's timer.
const TBF_BURST_MIN: u64 = 16 * 1024;

/// What the scripts of a fault are made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Where<'a> {
    /// Tells this fault from others on the same task, in at most 20 characters.
    pub(super) id: &'a str,
    /// The addresses of a partition's other side.
    pub(super) others: &'a [IpAddr],
    /// What the task sends now, for a bandwidth that is a part of it.
    pub(super) sent_bits_per_s: u64,
}

/// The scripts for `hold`, or nothing where it is not done in the network.
pub(super) fn scripts(hold: &Hold, at: Where<'_>) -> Option<Scripts> {
    let Where { id, others, .. } = at;
    let filter =
        |incoming: &[String], outgoing: &[String], done| Some(filter(id, incoming, outgoing, done));
    match hold {
        Hold::Isolate => filter(
            &["! -i lo -j DROP".to_owned()],
            &["! -o lo -j DROP".to_owned()],
            "dropped",
        ),
        Hold::Partition { way, .. } => {
            let each = |flag: &str| -> Vec<String> {
                let rule = |address: &IpAddr| format!("{flag} {address} -j DROP");
                others.iter().map(rule).collect()
            };
            match way {
                Way::Both => filter(&each("-s"), &each("-d"), "dropped"),
                Way::There => filter(&[], &each("-d"), "dropped"),
            }
        }
        Hold::Loss { per_mille } => {
            let share = f64::from(*per_mille) / 1_000.0;
            let rule =
                format!("! -i lo -m statistic --mode random --probability {share:.3} -j DROP");
            filter(&[rule], &[], "dropped")
        }
        Hold::Reset => {
            // The reset itself goes out by the same way.
            let pass = "-p tcp --tcp-flags RST RST -j RETURN".to_owned();
            let rule = |link: &str| format!("! {link} lo -p tcp -j REJECT --reject-with tcp-reset");
            filter(&[rule("-i")], &[pass, rule("-o")], "reset")
        }
        Hold::Bandwidth { to } => {
            let bits_per_s = to.of(at.sent_bits_per_s);
            let burst = TBF_BURST_MIN.max(bits_per_s / 8 / 100);
            Some(queue(
                &format!("tbf rate {bits_per_s}bit burst {burst} latency {TBF_LATENCY_MS}ms"),
                r"s/.*overlimits \([0-9]*\).*/\1/p",
                "held back",
            ))
        }
        Hold::Delay { ms } => Some(queue(
            &format!("netem delay {ms}ms"),
            r"s/.*Sent [0-9]* bytes \([0-9]*\) pkt.*/\1/p",
            "delayed",
        )),
        Hold::Pause | Hold::Throttle { .. } | Hold::FillDisk => None,
    }
}

/// Prints what faults have left in a network, whoever made them: chains and queues, one in a line.
pub(super) const REMAINS: &str = "rules=$(iptables -w -S) && queues=$(tc qdisc show) || exit 1\n\
    echo \"$rules\" | sed -n 's/^-N \\(WS-.*\\)/chain \\1/p'\n\
    echo \"$queues\" | sed -n 's/^qdisc \\(tbf\\|netem\\) .*/queue \\1/p'";

/// Rules in two chains of this fault's own.
fn filter(id: &str, incoming: &[String], outgoing: &[String], done: &'static str) -> Scripts {
    let mut apply = vec!["set -e".to_owned()];
    let mut undo = Vec::new();
    let mut rows = Vec::new();
    for (hook, suffix, rules) in [("INPUT", "I", incoming), ("OUTPUT", "O", outgoing)] {
        let chain = format!("WS-{id}-{suffix}");
        apply.push(format!("iptables -w -N {chain}"));
        apply.extend(
            rules
                .iter()
                .map(|rule| format!("iptables -w -A {chain} {rule}")),
        );
        apply.push(format!("iptables -w -I {hook} 1 -j {chain}"));
        rows.push(format!(
            "rows_{suffix}=$(iptables -w -nvxL {chain}) || exit 1"
        ));
        undo.push(format!("iptables -w -D {hook} -j {chain} 2>&-"));
        undo.push(format!("iptables -w -F {chain} 2>&-"));
        undo.push(format!("iptables -w -X {chain} 2>&-"));
    }
    undo.push(format!(
        "rules=$(iptables -w -S) && case $rules in *WS-{id}-*) exit 1;; esac"
    ));
    // Its own rules, and those that are asked before it: but for another fault's, there were none.
    let rules = format!(
        "rules=$(iptables -w -S) || exit 1\n\
         rules=$(echo \"$rules\" | awk '/-j WS-{id}-/ {{ ours[$2] = 1 }}\n\
         /WS-{id}-/ || (/^-A (INPUT|OUTPUT) / && !/-j WS-/ && !ours[$2])')"
    );
    apply.push(format!("{rules}\n{KEEP}"));
    Scripts {
        apply: apply.join("\n"),
        look: format!(
            "{rules}\n{SAME_OR_GONE}\n{}\nprintf '%s\\n' \"$rows_I\" \"$rows_O\" \
             | awk '$3 == \"DROP\" || $3 == \"REJECT\" {{ n += $1 }} END {{ print \"there\", n + 0 }}'",
            rows.join("\n")
        ),
        undo: undo.join("\n"),
        done,
    }
}

/// Keeps `$rules` as those that were applied.
const KEEP: &str = "[ -n \"$rules\" ] && echo \"$rules\" >/run/applied";
/// Ends the look where `$rules` are not those that were applied.
const SAME_OR_GONE: &str = "applied=$(cat /run/applied) || exit 1\n\
                            [ \"$rules\" = \"$applied\" ] || { echo gone; exit 0; }";

/// A queueing discipline on every link. `counted` is the sed script that finds the number in its statistics.
fn queue(discipline: &str, counted: &str, done: &'static str) -> Scripts {
    let links = format!(
        "links=${{{LINKS}:-$(ip -o link | sed -n 's/^[0-9]*: \\([^:@]*\\).*/\\1/p' | grep -vx lo)}}"
    );
    let kind = discipline.split(' ').next().unwrap_or_default();
    // How many queues refer to it is no part of what was applied.
    let rules = format!(
        "rules=$(tc qdisc show) || exit 1\n\
         rules=$(echo \"$rules\" | grep '^qdisc {kind} ' | sed 's/ refcnt [0-9]*//')"
    );
    Scripts {
        apply: format!(
            "set -e\n{links}\nfor link in $links; do tc qdisc add dev $link root {discipline}; done\n\
             {rules}\n{KEEP}"
        ),
        look: format!(
            "{rules}\n{SAME_OR_GONE}\nstats=$(tc -s qdisc show) || exit 1\n\
             echo \"$stats\" | sed -n '/^qdisc {kind} /,/^ Sent /{counted}' \
             | awk '{{ n += $1 }} END {{ print \"there\", n + 0 }}'"
        ),
        undo: format!(
            "{links}\nfor link in $links; do tc qdisc del dev $link root 2>&-; done\n\
             left=$(tc qdisc) && case $left in *'qdisc {kind} '*) exit 1;; esac"
        ),
        done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fault::limit::{BitLimit, CpuLimit},
        testing::said,
    };

    fn at(others: &[IpAddr]) -> Where<'_> {
        Where {
            id: "7f",
            others,
            sent_bits_per_s: 8_000_000,
        }
    }

    fn of(hold: &Hold) -> Scripts {
        let others = ["10.0.1.7".parse().unwrap(), "10.0.1.8".parse().unwrap()];
        scripts(hold, at(&others)).unwrap()
    }

    #[test]
    fn an_isolated_task_talks_to_itself_only() {
        let found = of(&Hold::Isolate);
        assert_eq!(
            found.apply,
            "set -e\n\
             iptables -w -N WS-7f-I\n\
             iptables -w -A WS-7f-I ! -i lo -j DROP\n\
             iptables -w -I INPUT 1 -j WS-7f-I\n\
             iptables -w -N WS-7f-O\n\
             iptables -w -A WS-7f-O ! -o lo -j DROP\n\
             iptables -w -I OUTPUT 1 -j WS-7f-O\n\
             rules=$(iptables -w -S) || exit 1\n\
             rules=$(echo \"$rules\" | awk '/-j WS-7f-/ { ours[$2] = 1 }\n\
             /WS-7f-/ || (/^-A (INPUT|OUTPUT) / && !/-j WS-/ && !ours[$2])')\n\
             [ -n \"$rules\" ] && echo \"$rules\" >/run/applied"
        );
    }

    #[test]
    fn a_partition_cuts_each_address_in_its_way() {
        let both = of(&Hold::Partition {
            with: "stock".to_owned(),
            way: Way::Both,
        });
        assert!(both.apply.contains("WS-7f-I -s 10.0.1.8 -j DROP"));
        assert!(both.apply.contains("WS-7f-O -d 10.0.1.7 -j DROP"));
        let there = of(&Hold::Partition {
            with: "stock".to_owned(),
            way: Way::There,
        });
        assert!(!there.apply.contains("-s 10.0.1."), "{}", there.apply);
        assert!(there.apply.contains("WS-7f-O -d 10.0.1.8 -j DROP"));
    }

    #[test]
    fn amounts_reach_the_kernel() {
        assert!(
            of(&Hold::Loss { per_mille: 300 })
                .apply
                .contains("--probability 0.300")
        );
        let slow = of(&Hold::Bandwidth {
            to: BitLimit::BitsPerS(1_000_000),
        });
        assert!(
            slow.apply
                .contains("root tbf rate 1000000bit burst 16384 latency 400ms")
        );
        let fast = of(&Hold::Bandwidth {
            to: BitLimit::BitsPerS(1_000_000_000),
        });
        assert!(fast.apply.contains("burst 1250000"));
        let quarter = of(&Hold::Bandwidth {
            to: BitLimit::PercentOfNow(25),
        });
        assert!(quarter.apply.contains("root tbf rate 2000000bit "));
        assert!(
            of(&Hold::Delay { ms: 200 })
                .apply
                .contains("netem delay 200ms")
        );
    }

    #[test]
    fn nothing_is_done_in_the_network_for_a_frozen_task() {
        let throttle = Hold::Throttle {
            to: CpuLimit::MilliCpus(50),
        };
        assert_eq!(scripts(&Hold::Pause, at(&[])), None);
        assert_eq!(scripts(&throttle, at(&[])), None);
    }

    /// What a script prints where the tools of the kernel say this; nothing where it fails. `applied` is what the fault
    /// kept when it was applied.
    fn look(script: &str, applied: &str, tools: &[(&str, &str)]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("applied");
        std::fs::write(&kept, applied).unwrap();
        let script = script.replace("/run/applied", &kept.display().to_string());
        said(&script, dir.path(), tools)
    }

    const POLICIES: &str = "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n";
    const CHAINS: &str = "-N WS-7f-I\n-N WS-7f-O\n";
    const HOOKS: &str = "-A INPUT -j WS-7f-I\n-A OUTPUT -j WS-7f-O\n";
    const DROPS: &str = "-A WS-7f-I ! -i lo -j DROP\n-A WS-7f-O ! -o lo -j DROP\n";

    fn isolated(before: &str, hooks: &str, drops: &str) -> Option<String> {
        let iptables = format!(
            "case $2 in -S) cat <<'END'\n{POLICIES}{CHAINS}{before}{hooks}{drops}END\n;;\n\
             *) echo 'Chain'; echo 'pkts bytes target'; echo '  7 420 DROP all'; echo '  1 60 RETURN all';; esac"
        );
        let applied = format!("{CHAINS}{HOOKS}{DROPS}");
        look(
            &of(&Hold::Isolate).look,
            &applied,
            &[("iptables", &iptables)],
        )
    }

    #[test]
    fn a_look_at_rules_finds_them_as_they_were_applied_or_gone() {
        let there = Some("there 14".to_owned());
        let gone = Some("gone".to_owned());
        assert_eq!(isolated("", HOOKS, DROPS), there);
        assert_eq!(isolated("", "", ""), gone, "flushed");
        assert_eq!(isolated("", HOOKS, ""), gone, "its chains were flushed");
        assert_eq!(
            isolated("", "-A INPUT -j WS-7f-I\n", DROPS),
            gone,
            "unhooked"
        );
        let half = "-A WS-7f-I ! -i lo -j DROP\n";
        assert_eq!(isolated("", HOOKS, half), gone, "one rule was taken out");
        let another = "-A INPUT -j WS-99-I\n-A WS-99-I -j DROP\n";
        assert_eq!(
            isolated(another, HOOKS, DROPS),
            there,
            "another fault is there too"
        );
        for bypass in ["-A INPUT -j ACCEPT\n", "-A OUTPUT -p tcp -j ACCEPT\n"] {
            assert_eq!(isolated(bypass, HOOKS, DROPS), gone, "{bypass} comes first");
        }
        let after = format!("{HOOKS}-A INPUT -p udp -j ACCEPT\n");
        assert_eq!(
            isolated("", &after, DROPS),
            there,
            "what comes after is not asked"
        );
    }

    #[test]
    fn a_look_that_the_kernel_does_not_answer_fails() {
        for hold in [Hold::Isolate, Hold::Delay { ms: 200 }] {
            let broken = [("iptables", "exit 4"), ("tc", "exit 2")];
            assert_eq!(look(&of(&hold).look, "x", &broken), None, "{hold:?}");
        }
    }

    #[test]
    fn what_faults_leave_in_a_network_is_found() {
        let found = |rules: &str, queues: &str| {
            let prints = |text: &str| format!("cat <<'END'\n{text}\nEND");
            let (iptables, tc) = (prints(rules), prints(queues));
            look(REMAINS, "", &[("iptables", &iptables), ("tc", &tc)])
        };
        let quiet = "qdisc noqueue 0: dev eth0 root refcnt 2";
        assert_eq!(found(POLICIES, quiet).as_deref(), Some(""));
        let rules = format!("{POLICIES}{CHAINS}{HOOKS}{DROPS}");
        let chains = "chain WS-7f-I\nchain WS-7f-O";
        assert_eq!(found(&rules, quiet).as_deref(), Some(chains));
        let slow = "qdisc netem 8001: dev eth0 root refcnt 2 limit 1000 delay 200ms";
        assert_eq!(found(POLICIES, slow).as_deref(), Some("queue netem"));
        let broken = [("iptables", "exit 4"), ("tc", "true")];
        assert_eq!(look(REMAINS, "", &broken), None);
    }

    #[test]
    fn a_look_at_queues_finds_them_as_they_were_applied_or_gone() {
        const TBF: &str = "qdisc tbf 8001: dev eth0 root rate 1Mbit burst 16Kb lat 400ms";
        let found = |queues: &str| {
            let tc = format!(
                "cat <<'END'\nqdisc noqueue 0: dev lo root refcnt 2\n{queues}\nEND\n\
                 [ \"$1\" != -s ] || echo ' Sent 900 bytes 9 pkt (dropped 2, overlimits 31 requeues 0)'"
            );
            let slow = of(&Hold::Bandwidth {
                to: BitLimit::BitsPerS(1_000_000),
            });
            look(&slow.look, TBF, &[("tc", &tc)])
        };
        let referred = TBF.replace(" rate", " refcnt 5 rate");
        for there in [TBF, &referred] {
            assert_eq!(found(there).as_deref(), Some("there 31"), "{there}");
        }
        let wider = TBF.replace("1Mbit", "900Mbit");
        for gone in ["", &wider, "qdisc noqueue 0: dev eth0 root"] {
            assert_eq!(found(gone).as_deref(), Some("gone"), "{gone}");
        }
    }
}
