//! The HTML report in a real browser that has no network.

use std::path::{Path, PathBuf};
use std::process::Command;

use checker::sample::{self, Sample};
use harness::report::{Reported, html};
use serde_json::Value;

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Shows the report in a frame of a screen's width and writes down what a reader would see of it.
const PROBE: &str = r#"
const frame = document.querySelector('iframe');
frame.addEventListener('load', () => {
  const page = frame.contentDocument;
  const root = page.documentElement;
  const size = element => { const box = element.getBoundingClientRect(); return [box.width, box.height]; };
  const texts = [...page.querySelectorAll('.y span, .x span, .flag, h1, h2, h3, td, dd, li')];
  const probe = {
    scroll: root.scrollWidth,
    width: frame.contentWindow.innerWidth,
    verdict: page.querySelector('#verdict .verdict').innerText,
    banner: size(page.querySelector('#verdict')),
    plots: [...page.querySelectorAll('.plot')].map(plot => ({
      id: plot.id,
      size: size(plot.querySelector('svg')),
      shapes: [...plot.querySelectorAll('path.area, path.line')].map(size),
      bands: [...plot.querySelectorAll('.band')].map(size),
      flags: [...plot.querySelectorAll('.flag')].map(flag => flag.innerText),
      ticks: [...plot.querySelectorAll('.y span, .x span')].map(tick => tick.innerText),
    })),
    outside: texts.filter(e => e.checkVisibility({contentVisibilityAuto: true}) && !e.closest('details:not([open])')).filter(e => e.getBoundingClientRect().right > frame.contentWindow.innerWidth + 1).map(e => e.innerText),
    loaded: frame.contentWindow.performance.getEntriesByType('resource').map(entry => entry.name),
    scripts: page.scripts.length,
    ground: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
  };
  document.querySelector('pre').textContent = encodeURIComponent(JSON.stringify(probe));
});
frame.srcdoc = document.querySelector('#page').textContent;
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Light,
    Dark,
}

fn browser() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .flat_map(|dir| BROWSERS.map(|name| dir.join(name)))
        .find(|candidate| candidate.is_file())
        .expect("no Chromium in PATH: `scripts/bootstrap.sh tests` installs it")
}

/// What a browser says on stdout of a local page.
fn browse(page: &Path, scheme: Scheme, profile: &Path, args: &[&str]) -> String {
    let preferred = match scheme {
        Scheme::Dark => 0,
        Scheme::Light => 1,
    };
    let output = Command::new("timeout")
        .arg("120")
        .arg(browser())
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args(["--disable-dev-shm-usage", "--disable-background-networking"])
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars"])
        .arg(format!("--blink-settings=preferredColorScheme={preferred}"))
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(args)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// A run with the plan and the events of a kill.
fn reported(sample: Sample) -> Reported {
    let events = r#"[
        {"t": 10100000, "kind": "role", "subject": "stock-db-1", "text": "standby on timeline 1, epoch 1"},
        {"t": 11200000, "kind": "role", "subject": "stock-db-1", "text": "primary on timeline 2, epoch 2"}
    ]"#;
    Reported {
        has_scenario: true,
        run: PathBuf::from("runs").join(&sample.judgement.run),
        plan: serde_json::from_str(include_str!("../plan.json")).unwrap(),
        databases: sample.snapshots[1].databases.clone(),
        judgement: sample.judgement,
        evidence: sample.evidence,
        history: sample.history,
        events: serde_json::from_str(events).unwrap(),
        outcome: None,
    }
}

/// Looks at a page through a frame of this width, and leaves a picture of it.
fn look(name: &str, page: &str, width: u32, scheme: Scheme) -> Value {
    // A packaged browser may be kept out of /tmp.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let frame = dir.path().join("frame.html");
    let style = "body{margin:0}iframe{border:0;display:block}pre{display:none}";
    assert!(
        !page.contains("</script"),
        "it would end the element that carries it"
    );
    let text = format!(
        "<!doctype html><meta charset=utf-8><style>{style}</style><iframe style=\"width:{width}px;height:6000px\"></iframe><pre></pre><script type=\"text/plain\" id=page>{}</script><script>{}</script>",
        page, PROBE,
    );
    std::fs::write(&frame, text).unwrap();
    let dom = browse(
        &frame,
        scheme,
        &dir.path().join("profile"),
        &["--virtual-time-budget=5000", "--dump-dom"],
    );
    let probe = dom
        .split("<pre>")
        .nth(1)
        .unwrap()
        .split("</pre>")
        .next()
        .unwrap();
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("report-{name}-{width}-{scheme:?}.png"));
    let screenshot = format!("--screenshot={}", picture.display());
    let size = format!("--window-size={},2400", width.max(500));
    browse(
        &frame,
        scheme,
        &dir.path().join("profile"),
        &[&screenshot, &size],
    );
    assert!(
        std::fs::metadata(&picture).unwrap().len() > 20_000,
        "{}",
        picture.display()
    );
    serde_json::from_str(&decoded(probe)).unwrap()
}

/// The reverse of `encodeURIComponent`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let hex = std::str::from_utf8(&tail[..2]).unwrap();
            bytes.push(u8::from_str_radix(hex, 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn area(size: &Value) -> f64 {
    size[0].as_f64().unwrap() * size[1].as_f64().unwrap()
}

/// What must be true of every report on every screen.
fn assert_legible(probe: &Value, verdict: &str, width: u32) {
    assert_eq!(probe["verdict"], verdict);
    assert_eq!(probe["width"], width);
    assert_eq!(probe["scroll"], width, "the page scrolls sideways: {probe}");
    assert_eq!(probe["outside"], serde_json::json!([]));
    assert_eq!(
        probe["loaded"],
        serde_json::json!([]),
        "something was fetched"
    );
    assert_eq!(probe["scripts"], 0);
    assert!(area(&probe["banner"]) > 10_000.0, "{probe}");
    let plots = probe["plots"].as_array().unwrap();
    let ids: Vec<&str> = plots
        .iter()
        .map(|plot| plot["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["outcomes", "latency"]);
    for plot in plots {
        assert!(area(&plot["size"]) > 40_000.0, "{plot}");
        let shapes = plot["shapes"].as_array().unwrap();
        assert!(shapes.len() >= 2, "{plot}");
        // Across most of the plot: a stretched drawing is not a dot.
        let wide = f64::from(width) * 0.5;
        assert!(
            shapes.iter().any(|shape| shape[0].as_f64().unwrap() > wide),
            "{plot}"
        );
        assert!(
            plot["bands"]
                .as_array()
                .unwrap()
                .iter()
                .all(|band| area(band) > 1000.0),
            "{plot}"
        );
        assert_eq!(plot["flags"], serde_json::json!(["F1", "a"]));
        assert!(plot["ticks"].as_array().unwrap().len() >= 7, "{plot}");
    }
}

#[test]
fn a_report_is_legible_on_every_screen_without_network_or_script() {
    for (name, verdict, sample) in [
        ("pass", "PASS", sample::pass()),
        ("violation", "VIOLATION", sample::violation()),
    ] {
        let page = html(&reported(sample));
        let mut grounds = Vec::new();
        for (width, scheme) in [
            (1400, Scheme::Light),
            (1400, Scheme::Dark),
            (390, Scheme::Light),
            (390, Scheme::Dark),
        ] {
            let probe = look(name, &page, width, scheme);
            assert_legible(&probe, verdict, width);
            grounds.push(probe["ground"].as_str().unwrap().to_owned());
        }
        assert_eq!((&grounds[0], &grounds[1]), (&grounds[2], &grounds[3]));
        assert_ne!(grounds[0], grounds[1], "light and dark look the same");
    }
}

#[test]
fn a_page_that_scrolls_sideways_or_fetches_something_is_found_out() {
    let page = html(&reported(sample::pass()));
    let wide = page.replace("</main>", "<div style=\"width:2000px\">x</div></main>");
    assert_ne!(look("wide", &wide, 390, Scheme::Light)["scroll"], 390);
    let fetching = page.replace(
        "</main>",
        "<img src=\"http://example.invalid/x.png\"></main>",
    );
    assert_ne!(
        look("fetching", &fetching, 390, Scheme::Light)["loaded"],
        serde_json::json!([])
    );
}
