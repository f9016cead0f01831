//! A driver, and windows that it opens: what the stories need of WebDriver, with every wait bounded.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tokio::time::{interval, timeout};

/// The longest that a page may take for anything; only failures take as long.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition of the page is asked for.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// `chromedriver` on a port of its own choice; ends with this value, and its browsers with it.
pub(crate) struct Driver {
    process: Child,
    url: String,
    profiles: PathBuf,
    opened: AtomicUsize,
}

/// The size of a window.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Screen {
    Desktop,
    /// Of somebody who likes it dark; tall.
    Dark,
    Phone,
    /// Of somebody who likes it dark.
    PhoneDark,
}

impl Driver {
    pub(crate) fn start() -> Self {
        let mut process = Command::new("/usr/bin/chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver is installed: run ./test");
        let stdout = process.stdout.take().expect("it is piped");
        let port = |line: String| -> Option<u16> {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        };
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let port = lines
            .find_map(port)
            .expect("chromedriver says where it listens");
        let profiles = std::env::temp_dir().join(format!("chat-{}-{port}", std::process::id()));
        Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
            profiles,
            opened: AtomicUsize::new(0),
        }
    }

    /// A new browser with a profile of its own: another person to the chat.
    pub(crate) async fn open(&self, screen: Screen) -> Window {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let profile = self.profiles.join(number.to_string());
        let mut arguments: Vec<String> = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        let mut options = json!({ "binary": "/usr/bin/chromium" });
        if matches!(screen, Screen::Dark | Screen::PhoneDark) {
            arguments.push("--force-dark-mode".into());
        }
        match screen {
            Screen::Desktop => arguments.push("--window-size=1280,800".into()),
            Screen::Dark => arguments.push("--window-size=1280,1400".into()),
            Screen::Phone | Screen::PhoneDark => {
                let metrics = json!({ "width": 390, "height": 844, "pixelRatio": 2.0 });
                options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
            }
        }
        options["args"] = json!(arguments);
        let capabilities = Map::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        let client = timeout(PATIENCE, builder.connect(&self.url))
            .await
            .expect("the browser starts in time")
            .expect("the browser starts");
        Window { client }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Asked to end, it ends its browsers; killed, it would leave them behind.
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.profiles);
    }
}

/// A window, and what its visitor does.
pub(crate) struct Window {
    client: Client,
}

impl Window {
    pub(crate) async fn goto(&self, url: &str) {
        self.client.goto(url).await.expect("the page loads");
    }

    /// Opens another tab of the same person, and goes to it.
    pub(crate) async fn open_tab(&self) {
        let tab = self.client.new_window(true).await.expect("a tab opens");
        self.client
            .switch_to_window(tab.handle)
            .await
            .expect("the tab is there");
    }

    /// Closes the tab, and goes to the first one.
    pub(crate) async fn close_tab(&self) {
        self.client.close_window().await.expect("the tab closes");
        let tabs = self.client.windows().await.expect("tabs can be listed");
        let first = tabs.into_iter().next().expect("another one is open");
        self.client
            .switch_to_window(first)
            .await
            .expect("the tab is there");
    }

    pub(crate) async fn reload(&self) {
        self.client.refresh().await.expect("the page loads again");
    }

    /// Types into a field in place of what it held.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let field = self.client.find(Locator::Css(selector)).await;
        let field = field.unwrap_or_else(|error| panic!("{selector}: {error}"));
        field.clear().await.expect("the field can be cleared");
        field.send_keys(text).await.expect("the field takes text");
    }

    pub(crate) async fn click(&self, selector: &str) {
        let found = self.client.find(Locator::Css(selector)).await;
        let found = found.unwrap_or_else(|error| panic!("{selector}: {error}"));
        found.click().await.expect("it can be clicked");
    }

    /// Chooses a file.
    pub(crate) async fn choose(&self, selector: &str, file: &str) {
        let field = self.client.find(Locator::Css(selector)).await;
        let field = field.unwrap_or_else(|error| panic!("{selector}: {error}"));
        field.send_keys(file).await.expect("the field takes a file");
    }

    /// Says yes to what the page asks.
    pub(crate) async fn accept(&self) {
        self.client.accept_alert().await.expect("the page asks");
    }

    /// Presses keys, as they are written in WebDriver, for whatever has the focus.
    pub(crate) async fn press(&self, keys: &str) {
        let focused = self.client.active_element().await;
        let focused = focused.expect("a page has a focus");
        focused.send_keys(keys).await.expect("it takes keys");
    }

    /// Whether a JavaScript expression is true now.
    pub(crate) async fn is(&self, expression: &str) -> bool {
        self.is_with(expression, Value::Null).await
    }

    /// Whether it is true with a text that it knows as `arguments[0]`.
    pub(crate) async fn is_with(&self, expression: &str, argument: Value) -> bool {
        let script = format!("return Boolean({expression});");
        let answer = self.client.execute(&script, vec![argument]).await;
        answer.unwrap_or_else(|error| panic!("{expression}: {error}")) == Value::Bool(true)
    }

    /// What a JavaScript expression is now, with a text that it knows as `arguments[0]`.
    pub(crate) async fn value(&self, expression: &str, argument: &str) -> Value {
        self.run(&format!("return {expression};"), argument).await
    }

    /// Runs a script in the page, with a text that it knows as `arguments[0]`; gives what it returns.
    pub(crate) async fn run(&self, script: &str, argument: &str) -> Value {
        let answer = self.client.execute(script, vec![argument.into()]).await;
        answer.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until a JavaScript expression is true.
    pub(crate) async fn until(&self, what: &str, expression: &str) {
        self.wait(what, expression, Value::Null).await;
    }

    /// As [`until`](Self::until), with a text that the expression knows as `arguments[0]`.
    pub(crate) async fn until_with(&self, what: &str, expression: &str, argument: &str) {
        self.wait(what, expression, argument.into()).await;
    }

    async fn wait(&self, what: &str, expression: &str, argument: Value) {
        let holds = async {
            let mut again = interval(ASK_EVERY);
            while !self.is_with(expression, argument.clone()).await {
                again.tick().await;
            }
        };
        if timeout(PATIENCE, holds).await.is_err() {
            let page = self
                .client
                .execute("return document.body.innerText;", vec![])
                .await;
            panic!("{PATIENCE:?} were not enough until {what}; the page shows:\n{page:?}");
        }
    }

    pub(crate) async fn screenshot(&self, file: &Path) {
        let picture = self
            .client
            .screenshot()
            .await
            .expect("the window can be pictured");
        assert!(picture.starts_with(b"\x89PNG"), "a picture in PNG");
        fs::create_dir_all(file.parent().expect("it lies in a folder"))
            .expect("the folder can be made");
        fs::write(file, picture).expect("the file can be written");
    }

    pub(crate) async fn close(self) {
        self.client.close().await.expect("the window closes");
    }
}
