//! A real browser: Chromium without a window, driven through chromedriver, with a profile of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;
use thirtyfour::{ChromeCapabilities, LoggingPrefsLogLevel};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::processes;
use super::waiting::{until, within};

const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];
/// The free port that it picks for IPv4 may be taken for IPv6; then it ends, and is started again.
const CHROMEDRIVER_ATTEMPTS: usize = 5;
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// A little less than facts may take elsewhere, so that there is time to say what was shown instead.
const LOOK_MAX: Duration = Duration::from_secs(40);

/// A browser with one visible tab; ended when it is dropped.
pub struct Browser {
    driver: Option<WebDriver>,
    // Dropped after `Drop` has ended the browser that works in it.
    profile: TempDir,
    _chromedriver: Child,
}

impl Browser {
    /// A browser on a desk.
    pub async fn open() -> Self {
        Self::start(true).await
    }

    /// A browser that executes no scripts of pages.
    pub async fn open_without_scripts() -> Self {
        Self::start(false).await
    }

    async fn start(scripts: bool) -> Self {
        for program in [CHROMIUM, CHROMEDRIVER] {
            assert!(
                Path::new(program).exists(),
                "{program} is missing: the stories need Chromium and its driver; tests/all.sh installs them"
            );
        }
        let profile = tempfile::tempdir().unwrap();
        let (chromedriver, port) = start_chromedriver().await;
        let mut capabilities = ChromeCapabilities::new();
        capabilities.set_binary(CHROMIUM).unwrap();
        for argument in ARGUMENTS {
            capabilities.add_arg(argument).unwrap();
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display())).unwrap();
        capabilities.add_arg("--window-size=1280,900").unwrap();
        capabilities.set_logging_prefs("browser", LoggingPrefsLogLevel::All).unwrap();
        if !scripts {
            let blocked = json!({ "profile.managed_default_content_settings.javascript": 2 });
            capabilities.add_experimental_option("prefs", blocked).unwrap();
        }
        let address = format!("http://127.0.0.1:{port}");
        let builder = WebDriver::builder(address, capabilities).request_timeout(ANSWER_MAX);
        let driver = within("Chromium starts", builder.connect()).await.unwrap();
        Self { driver: Some(driver), profile, _chromedriver: chromedriver }
    }

    /// The driver, for what has no name here.
    pub fn driver(&self) -> &WebDriver {
        self.driver.as_ref().unwrap()
    }

    /// Ends the browser.
    pub async fn close(mut self) {
        self.driver.take().unwrap().quit().await.unwrap();
    }

    // --- where and how ------------------------------------------------------------------------

    /// Opens an address.
    pub async fn goto(&self, address: &str) {
        self.driver().goto(address).await.unwrap();
    }

    /// Opens another tab, which becomes the visible one.
    pub async fn new_tab(&self, address: &str) {
        let tab = self.driver().new_tab().await.unwrap();
        self.driver().switch_to_window(tab).await.unwrap();
        self.goto(address).await;
    }

    /// Shows the tab opened as the `n`th, from 0.
    pub async fn show_tab(&self, n: usize) {
        let tabs = self.driver().windows().await.unwrap();
        self.driver().switch_to_window(tabs[n].clone()).await.unwrap();
    }

    /// Makes it a telephone: its screen's size, and a finger instead of a mouse.
    pub async fn be_a_phone(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 2, "mobile": true });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        self.devtools("Emulation.setTouchEmulationEnabled", json!({ "enabled": true })).await;
    }

    /// Sends a command of the DevTools protocol.
    pub async fn devtools(&self, method: &str, parameters: Value) -> Value {
        self.driver().cdp().send_raw(method, parameters).await.unwrap()
    }

    // --- looking ------------------------------------------------------------------------------

    /// Waits for the element `selector`.
    pub async fn sees(&self, selector: &str) -> WebElement {
        self.looks_for(selector, async || self.driver().find(By::Css(selector)).await.ok()).await
    }

    /// Waits for the element `selector` to be shown.
    pub async fn sees_shown(&self, selector: &str) -> WebElement {
        let shown = async || {
            let found = self.driver().find(By::Css(selector)).await.ok()?;
            found.is_displayed().await.ok()?.then_some(found)
        };
        self.looks_for(&format!("{selector}, shown"), shown).await
    }

    /// Waits until `fact`, an expression of JavaScript, is true in the page.
    pub async fn sees_that(&self, fact: &str) {
        let script = format!("return Boolean({fact})");
        let ask = async || {
            let answer = self.driver().execute(script.clone(), Vec::new()).await;
            answer.ok()?.json().as_bool()?.then_some(())
        };
        self.looks_for(fact, ask).await;
    }

    /// Looks until there is something; where there never is, what the page showed instead is printed.
    async fn looks_for<T>(&self, what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
        match tokio::time::timeout(LOOK_MAX, until(what, ask)).await {
            Ok(found) => found,
            Err(_) => {
                let (page, console) = (self.js(PAGE_IN_SHORT).await, self.console().await);
                panic!("the page never showed {what}.\nIt shows: {page}\nConsole: {console:?}");
            }
        }
    }

    /// The value of an attribute of an element that is there.
    pub async fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        self.sees(selector).await.attr(name.to_owned()).await.unwrap()
    }

    /// The text of an element, with plain spaces, whether it is shown or not.
    pub async fn text(&self, selector: &str) -> String {
        let text = self.sees(selector).await.prop("textContent").await.unwrap().unwrap_or_default();
        text.replace(['\u{a0}', '\u{202f}'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// How many elements there are of this kind.
    pub async fn count(&self, selector: &str) -> usize {
        self.driver().find_all(By::Css(selector)).await.unwrap().len()
    }

    /// The body of a function, run in the page; what it returns.
    pub async fn js(&self, body: &str) -> Value {
        self.js_with(body, Vec::new()).await
    }

    /// The same, with arguments.
    pub async fn js_with(&self, body: &str, arguments: Vec<Value>) -> Value {
        self.driver().execute(body, arguments).await.unwrap().json().clone()
    }

    /// The last journal entry that the page shows.
    pub async fn seq(&self) -> u64 {
        self.attribute("html", "data-seq").await.unwrap().parse().unwrap()
    }

    /// Waits until the page shows the journal up to `seq`.
    pub async fn sees_seq(&self, seq: u64) {
        self.sees_that(&format!("Number(document.documentElement.dataset.seq) >= {seq}")).await;
    }

    /// Errors and warnings of the console since the last look: scripts, policies, loads.
    pub async fn console(&self) -> Vec<String> {
        let entries = self.driver().browser_log().await.unwrap();
        let worth = |level: &str| level == "SEVERE" || level == "WARNING";
        entries
            .into_iter()
            .filter(|e| worth(&e.level))
            .map(|e| format!("{}: {}", e.level, e.message))
            .collect()
    }

    // --- acting -------------------------------------------------------------------------------

    /// Presses an element with the pointer, or taps it.
    pub async fn tap(&self, selector: &str) {
        let element = self.sees_shown(selector).await;
        let centre = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })";
        self.js_with(centre, vec![element.to_json().unwrap()]).await;
        element.click().await.unwrap();
    }

    /// Types into a field.
    pub async fn fill(&self, selector: &str, text: &str) {
        let field = self.sees_shown(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses a key, wherever the focus is.
    pub async fn press(&self, key: Key) {
        let keys = self.driver().action_chain().send_keys(key);
        keys.perform().await.unwrap();
    }

    /// Presses Tab until the focus is on `selector`; the focus must be visible on the way.
    pub async fn tab_to(&self, selector: &str) {
        for _ in 0..400 {
            let there = format!("return document.activeElement.matches({selector:?})");
            if self.js(&there).await == json!(true) {
                return;
            }
            self.press(Key::Tab).await;
            let visible = self.js(FOCUS_IS_VISIBLE).await;
            assert_eq!(visible, json!(true), "no mark of focus on {}", self.js(FOCUSED).await);
        }
        panic!("Tab never came to {selector}; it is on {}", self.js(FOCUSED).await);
    }
}

/// What has the focus, in short.
pub const FOCUSED: &str = "return document.activeElement.outerHTML.slice(0, 200)";

/// Something that can be seen marks what has the focus; the page itself needs no mark.
const FOCUS_IS_VISIBLE: &str = "
    const element = document.activeElement;
    if (element === document.body || element === document.documentElement) return true;
    const marked = (style) => (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== 'none';
    const box = element.getBoundingClientRect();
    const around = element.closest('label, form, summary') ?? element;
    return box.width > 0 && (marked(getComputedStyle(element)) || marked(getComputedStyle(around))
        || [...(element.labels ?? [])].some((label) => [...label.children].some((part) => marked(getComputedStyle(part)))));";

const PAGE_IN_SHORT: &str = "
    const part = (id) => document.getElementById(id)?.outerHTML.slice(0, 600) ?? '';
    return [location.href, document.documentElement.outerHTML.slice(0, 160), part('connexion'), part('amphi-etat'),
        part('resultat'), part('mon-tour'), part('tour-en-cours'), document.title].join('\\n');";

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            // A story has failed: the processes go with their profile, nobody is asked.
            let _ = driver.leak();
            processes::kill_all(&processes::naming(self.profile.path()));
        }
    }
}

async fn start_chromedriver() -> (Child, u16) {
    for _ in 0..CHROMEDRIVER_ATTEMPTS {
        let mut chromedriver = Command::new(CHROMEDRIVER)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(chromedriver.stdout.take().unwrap()).lines();
        while let Some(line) = within("chromedriver starts", lines.next_line()).await.unwrap() {
            if let Some((_, port)) = line.split_once("successfully on port ") {
                // It goes on writing; a pipe nobody reads would stop it one day.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return (chromedriver, port.trim_end_matches('.').parse().unwrap());
            }
        }
    }
    panic!("chromedriver did not start");
}
