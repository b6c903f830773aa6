//! The openssl command, unmodified, on the library's jobs: `speed`, `s_server` and `s_client`.
//! They run by themselves, with an engine (`programs/engine/slow_sha256.c`) whose digests pause the
//! job, and with a provider (`programs/provider/slow_sign.c`) whose signatures do. The library's own
//! statistics show what happened. Also a Rust program on tokio with that engine.

use compat_tests::{
    Ran, assert_wanted, compile_plugin, compile_rust_package, ignore, need_command, need_jobs,
    need_openssl, need_providers, openssl_is_older_than_3_0, program_source, provider_directory,
    report, root, run, run_successfully, version_in, with_ossl_async,
};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::process::{Child, Command, Stdio, id};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    compat_tests::tests![
        speed_runs_its_jobs_on_the_library,
        speed_pauses_thousands_of_times_with_an_engine_that_pauses,
        speed_pauses_in_each_signature_of_a_provider_as_with_libcryptos_own_jobs,
        a_server_and_its_clients_run_their_jobs_on_the_library,
        a_tls_1_3_server_and_its_clients_pause_with_an_engine_that_pauses,
        a_tls_1_2_server_and_its_clients_pause_with_an_engine_that_pauses,
        a_tls_1_3_server_and_its_clients_pause_with_a_provider_that_pauses,
        a_tls_1_2_server_and_its_clients_pause_with_a_provider_that_pauses,
        a_rust_program_on_tokio_waits_for_the_descriptors_of_an_engine,
    ]
    .run()
}

/// How many digests the engine must have computed while their job was paused.
const MANY: u64 = 1000;

/// The longest time by the clock that a server with all its clients may take. It is the last
/// resort: on an idle machine it takes seconds.
const SERVER_SECONDS: Duration = Duration::from_secs(1800);

/// Connections to each server.
const CONNECTIONS: usize = 120;

fn need_the_command() {
    need_jobs();
    need_command(
        "openssl",
        &["version"],
        "the openssl command is not installed",
    );
    let version = run(Command::new("openssl").arg("version")).stdout;
    assert_wanted("the openssl command", version_in(&version));
}

/// Needs the command and the engine.
fn need_engines() {
    need_the_command();
    need_openssl();
    let engines = Command::new("openssl").arg("engine").output();
    if !engines.is_ok_and(|output| output.status.success()) {
        ignore("this OpenSSL has no engines");
    }
}

/// A directory for this process.
fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("openssl-command-{}", id()));
        fs::create_dir_all(&directory).expect("the target directory can be written");
        directory
    })
}

/// The engine, compiled once.
fn engine() -> &'static str {
    static ENGINE: OnceLock<String> = OnceLock::new();
    ENGINE.get_or_init(|| {
        compile_plugin("slow_sha256", "-std=gnu11", &["engine/slow_sha256"])
            .into_os_string()
            .into_string()
            .expect("the path is UTF-8")
    })
}

/// The options by which the command uses the provider.
fn provider() -> [&'static str; 8] {
    [
        "-provider-path",
        provider_directory().to_str().expect("the path is UTF-8"),
        "-provider",
        "default",
        "-provider",
        "slow_sign",
        "-propquery",
        "?provider=slow_sign",
    ]
}

/// `openssl` on the library. The library, the engine and the provider print their counts at the end.
fn openssl() -> Command {
    prepared(with_ossl_async("openssl"))
}

fn prepared(mut command: Command) -> Command {
    command
        .env_remove("LD_PRELOAD")
        .env("OSSL_ASYNC_STATS", "1")
        .env("SLOW_SHA256_REPORT", "1")
        .env("SLOW_SIGN_REPORT", "1")
        .env("SLOW_SIGN_MICROSECONDS", "1000")
        // No client checks its server's certificate, and to read the system's takes longer than a
        // handshake.
        .env("SSL_CERT_FILE", "/dev/null");
    command
}

/// The numbers of the only line of a program's standard error that begins with `name: `. Each is
/// `key=value`.
struct Numbers<'a>(&'a str);

impl<'a> Numbers<'a> {
    fn find(stderr: &'a str, name: &str) -> Numbers<'a> {
        let found: Vec<&str> = stderr
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .collect();
        assert_eq!(found.len(), 1, "one line of {name} in:\n{stderr}");
        Numbers(found[0])
    }

    fn get(&self, key: &str) -> u64 {
        self.0
            .split_whitespace()
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_else(|| panic!("no {key} in {}", self.0))
            .parse()
            .unwrap_or_else(|error| panic!("{key} in {}: {error}", self.0))
    }

    /// Checks what must hold for the statistics of every program that has ended normally.
    fn check(&self) {
        for none in ["running", "paused", "abandoned", "refusals"] {
            assert_eq!(self.get(none), 0, "{none} in {}", self.0);
        }
        assert!(self.get("created") > 0, "{}", self.0);
        assert!(self.get("starts") > 0, "{}", self.0);
        assert_eq!(self.get("starts"), self.get("finishes"), "{}", self.0);
        assert_eq!(self.get("pauses"), self.get("resumes"), "{}", self.0);
    }
}

/// Checks what must hold for the engine in every program that has used it a lot.
fn check_engine(engine: &Numbers<'_>, statistics: &Numbers<'_>) {
    assert_eq!(engine.get("errors"), 0, "{}", engine.0);
    // Counts digests that were waited for, not only pauses: a program that resumes a job too early
    // makes it pause again.
    assert!(engine.get("in_job") >= MANY, "{}", engine.0);
    assert!(engine.get("pauses") >= engine.get("in_job"), "{}", engine.0);
    // Each pause of the engine was one of the library.
    assert_eq!(engine.get("pauses"), statistics.get("pauses"));
    report(&format!("engine: {}\n", engine.0));
}

/// Checks what must hold for the provider in a program that has asked it for so many signatures, all
/// of them in jobs.
fn check_provider(provider: &Numbers<'_>, statistics: &Numbers<'_>, signatures: usize) {
    for all in ["in_job", "paused", "done", "by_fd"] {
        let count = provider.get(all);
        assert_eq!(count, signatures as u64, "{all} in {}", provider.0);
    }
    for none in ["blocking", "by_callback", "errors"] {
        assert_eq!(provider.get(none), 0, "{none} in {}", provider.0);
    }
    assert!(statistics.get("pauses") >= provider.get("paused"));
}

/// Runs `openssl speed` and returns how many jobs were made and how often they paused, by the
/// library's statistics.
fn speed(arguments: &[&str]) -> (u64, u64) {
    let mut command = openssl();
    let ran = run_successfully(command.arg("speed").args(arguments));
    assert!(
        ran.stdout.lines().any(|line| line.starts_with("sha256 ")),
        "{}",
        ran.stdout
    );
    let statistics = Numbers::find(&ran.stderr, "ossl-async");
    statistics.check();
    report(&format!(
        "openssl speed {}: {}\n",
        arguments.join(" "),
        statistics.0
    ));
    if arguments.contains(&"-engine") {
        let engine = Numbers::find(&ran.stderr, "slow_sha256");
        check_engine(&engine, &statistics);
    }
    (statistics.get("created"), statistics.get("pauses"))
}

fn speed_runs_its_jobs_on_the_library() {
    need_the_command();
    for (jobs, bytes) in [("1", "1024"), ("8", "16384"), ("64", "16")] {
        let arguments = [
            "-seconds",
            "1",
            "-bytes",
            bytes,
            "-async_jobs",
            jobs,
            "sha256",
        ];
        let (created, pauses) = speed(&arguments);
        assert_eq!(created.to_string(), jobs);
        assert_eq!(pauses, 0, "nothing in it pauses");
    }
}

// Rules: G9, G11, G19, G20, G31
fn speed_pauses_thousands_of_times_with_an_engine_that_pauses() {
    need_engines();
    // Up to 1.1.1 the first of them calls libcrypto's function, which no engine replaces.
    let without_evp = (!openssl_is_older_than_3_0()).then_some(&["sha256"][..]);
    for jobs in ["1", "8", "64"] {
        for what in without_evp.into_iter().chain([&["-evp", "sha256"][..]]) {
            let arguments = [
                "-seconds",
                "1",
                "-bytes",
                "1024",
                "-async_jobs",
                jobs,
                "-engine",
                engine(),
            ];
            let (created, pauses) = speed(&[&arguments, what].concat());
            assert_eq!(created.to_string(), jobs);
            assert!(pauses >= MANY, "{pauses}");
        }
    }
}

/// What `speed` has printed, with N for each number: they depend on time. Of standard error, what it
/// has done. Since 3.5 there are also errors: it makes a key, which the provider cannot.
fn without_numbers(ran: &Ran) -> String {
    let without = |word: &str| {
        let digits = word.trim_end_matches('s').replace('.', "");
        let is_number = digits.parse::<u64>().is_ok();
        if is_number { "N" } else { word }.to_owned()
    };
    let done = ran.stderr.lines().filter(|line| line.starts_with("Doing "));
    let lines = ran.stdout.lines().chain(done).map(|line| {
        let words: Vec<String> = line.split_whitespace().map(without).collect();
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

// Rules: G9, G11, G17, G19, G20, G21, G31
fn speed_pauses_in_each_signature_of_a_provider_as_with_libcryptos_own_jobs() {
    need_the_command();
    need_providers();
    for jobs in ["1", "64"] {
        let speed = |command| {
            // With this file the provider makes all signatures. `speed` uses no -propquery for them.
            let mut command = prepared(command);
            command
                .args([
                    "speed",
                    "-elapsed",
                    "-seconds",
                    "1",
                    "-async_jobs",
                    jobs,
                    "rsa2048",
                ])
                .env(
                    "OPENSSL_CONF",
                    program_source("provider/slow_sign").with_extension("cnf"),
                )
                .env("OPENSSL_MODULES", provider_directory());
            let ran = run_successfully(&mut command);
            let provider = Numbers::find(&ran.stderr, "slow_sign");
            let signatures = provider.get("in_job");
            for all in ["paused", "by_fd"] {
                assert_eq!(provider.get(all), signatures, "{all} in {}", provider.0);
            }
            // Each job begins with a signature, unless the second has passed before.
            assert!(signatures >= 1, "{}", provider.0);
            // `speed` has tried each key once, outside jobs.
            assert_eq!(provider.get("blocking").to_string(), jobs);
            assert_eq!(provider.get("errors"), 0);
            ran
        };
        // Both wait for most of their time.
        let (ours, theirs) = thread::scope(|scope| {
            let ours = scope.spawn(|| speed(with_ossl_async("openssl")));
            let theirs = speed(Command::new("openssl"));
            (ours.join().expect("its signatures paused"), theirs)
        });

        let (statistics, provider) = (
            Numbers::find(&ours.stderr, "ossl-async"),
            Numbers::find(&ours.stderr, "slow_sign"),
        );
        statistics.check();
        assert_eq!(statistics.get("created").to_string(), jobs);
        assert!(statistics.get("pauses") >= provider.get("paused"));
        assert!(!theirs.stderr.contains("ossl-async"), "{}", theirs.stderr);
        report(&format!(
            "openssl speed, {jobs} jobs: {}\n{}\n",
            statistics.0, provider.0
        ));
        let printed = without_numbers(&ours);
        assert_eq!(printed, without_numbers(&theirs));
        for what in ["\nrsa N bits N N ", "\nDoing N bits private rsa"] {
            assert!(printed.contains(what), "{printed}");
        }
    }
}

/// A server of this test. It is killed if the test ends first.
struct Server {
    child: Child,
    port: u16,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Unless the test has failed, it has ended and was waited for.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _may_have_ended = self.child.kill();
            let _is_ours = self.child.wait();
        }
    }
}

/// Reads all of a stream on a thread of its own, and passes the lines on.
fn read_lines(
    stream: impl Read + Send + 'static,
    watch: mpsc::Sender<String>,
) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut all = String::new();
        for line in BufReader::new(stream).lines() {
            let line = line.expect("a pipe can be read");
            all += &line;
            all.push('\n');
            // After the port is known, the lines are no longer received.
            let _is_received = watch.send(line);
        }
        all
    })
}

/// The port in the line `ACCEPT 127.0.0.1:PORT`.
fn port(lines: &Receiver<String>) -> u16 {
    let end = Instant::now() + SERVER_SECONDS;
    loop {
        let line = lines
            .recv_timeout(end.saturating_duration_since(Instant::now()))
            .expect("the server says where it listens");
        if let Some(address) = line.strip_prefix("ACCEPT ") {
            let (_, port) = address.rsplit_once(':').expect("host and port");
            return port.parse().expect("a port is a number");
        }
    }
}

impl Server {
    /// `openssl s_server -async` on a port that the system chooses, for this many connections.
    fn start(identity: &Path, connections: usize, extra: &[&str]) -> Server {
        let mut child = openssl()
            .args(["s_server", "-async", "-accept", "127.0.0.1:0", "-naccept"])
            .arg(connections.to_string())
            .arg("-key")
            .arg(identity.join("key.pem"))
            .arg("-cert")
            .arg(identity.join("certificate.pem"))
            .args(extra)
            // Kept open, because the server would close a connection at the end of its input.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl runs");
        let (watch, lines) = mpsc::channel();
        let (unread, _) = mpsc::channel();
        let stdout = read_lines(child.stdout.take().expect("piped above"), watch);
        let stderr = read_lines(child.stderr.take().expect("piped above"), unread);
        let mut server = Server {
            child,
            port: 0,
            stdout: Some(stdout),
            stderr: Some(stderr),
        };
        server.port = port(&lines);
        server
    }

    /// Waits until it has served all its connections. Returns its standard output and error.
    fn finish(mut self, by: Instant) -> (String, String) {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            assert!(Instant::now() < by, "the server does not end");
            thread::sleep(Duration::from_millis(5));
        };
        let text = |reader: Option<JoinHandle<String>>| {
            reader
                .expect("taken once")
                .join()
                .expect("a reader does not panic")
        };
        let (stdout, stderr) = (text(self.stdout.take()), text(self.stderr.take()));
        assert!(status.success(), "s_server: {status}\n{stdout}{stderr}");
        (stdout, stderr)
    }
}

/// One connection of `openssl s_client -async`, which sends a line and closes. Returns its
/// standard error.
fn client(port: u16, line: &str, extra: &[&str], by: Instant) -> String {
    let mut child = openssl()
        .args(["s_client", "-async", "-connect"])
        .arg(format!("127.0.0.1:{port}"))
        .args(extra)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl runs");
    let (unread, _) = mpsc::channel();
    let stdout = read_lines(child.stdout.take().expect("piped above"), unread.clone());
    let stderr = read_lines(child.stderr.take().expect("piped above"), unread);
    let mut input = child.stdin.take().expect("piped above");
    writeln!(input, "{line}").expect("a line fits into a pipe");
    drop(input);
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break status;
        }
        if Instant::now() > by {
            child.kill().expect("the child is ours");
            panic!("s_client does not end");
        }
        thread::sleep(Duration::from_millis(2));
    };
    let stdout = stdout.join().expect("a reader does not panic");
    let stderr = stderr.join().expect("a reader does not panic");
    assert!(status.success(), "s_client: {status}\n{stdout}{stderr}");
    stderr
}

/// A key and a certificate, made once.
fn identity() -> &'static Path {
    static IDENTITY: OnceLock<()> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        run_successfully(
            Command::new("openssl")
                .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"])
                .args(["-days", "2", "-subj", "/CN=localhost", "-keyout"])
                .arg(directory().join("key.pem"))
                .arg("-out")
                .arg(directory().join("certificate.pem")),
        );
    });
    directory()
}

/// Runs a server and its clients, one after the other, with these additional arguments.
fn check_connections(what: &str, server_extra: &[&str], client_extra: &[&str]) {
    let by = Instant::now() + SERVER_SECONDS;
    let server = Server::start(identity(), CONNECTIONS, server_extra);
    let mut client_starts = 0;
    let mut client_pauses = 0;
    for number in 0..CONNECTIONS {
        let stderr = client(
            server.port,
            &format!("line {number} of {what}"),
            client_extra,
            by,
        );
        let statistics = Numbers::find(&stderr, "ossl-async");
        statistics.check();
        if client_extra.contains(&"slow_sign") {
            let provider = Numbers::find(&stderr, "slow_sign");
            check_provider(&provider, &statistics, 1);
        }
        client_starts += statistics.get("starts");
        client_pauses += statistics.get("pauses");
    }
    let (stdout, stderr) = server.finish(by);

    for number in 0..CONNECTIONS {
        let line = format!("line {number} of {what}");
        let times = stdout.lines().filter(|seen| *seen == line).count();
        assert_eq!(times, 1, "{line}\n{stdout}");
    }
    let statistics = Numbers::find(&stderr, "ossl-async");
    statistics.check();
    report(&format!(
        "{CONNECTIONS} connections, {what}: s_server {}; s_client starts={client_starts} pauses={client_pauses}\n",
        statistics.0
    ));
    // At least a job for the handshake and a job for the line of each connection, on either side.
    let least = 2 * u64::try_from(CONNECTIONS).expect("it is small");
    assert!(statistics.get("starts") >= least, "{}", statistics.0);
    assert!(client_starts >= least, "{client_starts}");
    if server_extra.contains(&"-engine") {
        let engine = Numbers::find(&stderr, "slow_sha256");
        check_engine(&engine, &statistics);
    }
    if server_extra.contains(&"slow_sign") {
        let provider = Numbers::find(&stderr, "slow_sign");
        check_provider(&provider, &statistics, CONNECTIONS);
        report(&format!("provider: {}\n", provider.0));
    }
    if client_extra.contains(&"-engine") {
        assert!(client_pauses >= least, "{client_pauses}");
    }
}

fn a_server_and_its_clients_run_their_jobs_on_the_library() {
    need_the_command();
    check_connections("TLS 1.3", &[], &[]);
}

// Rules: G9, G11, G17, G20, G21
fn a_tls_1_3_server_and_its_clients_pause_with_an_engine_that_pauses() {
    need_engines();
    let clients = ["-engine", engine()];
    // No session tickets: a client that receives one computes a digest in SSL_read. When that
    // pauses, s_client calls SSL_write, which resumes the wrong call. It hangs in the same way
    // with libcrypto's own jobs.
    let server = ["-engine", engine(), "-num_tickets", "0"];
    check_connections("TLS 1.3 with the engine", &server, &clients);
}

// Rules: G9, G11, G17, G20, G21
fn a_tls_1_2_server_and_its_clients_pause_with_an_engine_that_pauses() {
    need_engines();
    let engine = ["-engine", engine()];
    let clients = [
        "-engine",
        engine[1],
        "-tls1_2",
        "-cipher",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ];
    check_connections("TLS 1.2 with the engine", &engine, &clients);
}

/// A server and its clients with the provider. The clients have certificates, so they sign too.
fn check_provider_connections(what: &str, extra: &[&str]) {
    need_the_command();
    need_providers();
    let file = |name| {
        let path = identity().join(name).into_os_string();
        path.into_string().expect("the path is UTF-8")
    };
    let (key, certificate) = (file("key.pem"), file("certificate.pem"));
    let server = [&provider()[..], &["-Verify", "1"]].concat();
    let clients = [&provider()[..], &["-key", &key, "-cert", &certificate]].concat();
    check_connections(what, &server, &[&clients, extra].concat());
}

// Rules: G9, G11, G17, G20, G21
fn a_tls_1_3_server_and_its_clients_pause_with_a_provider_that_pauses() {
    check_provider_connections("TLS 1.3 with the provider", &["-tls1_3"]);
}

// Rules: G9, G11, G17, G20, G21
fn a_tls_1_2_server_and_its_clients_pause_with_a_provider_that_pauses() {
    check_provider_connections("TLS 1.2 with the provider", &["-tls1_2"]);
}

// Rules: G11, G17, G21
fn a_rust_program_on_tokio_waits_for_the_descriptors_of_an_engine() {
    need_engines();
    if env::var_os("OSSL_ASYNC_BUILT").is_some() {
        ignore("cargo builds the program, and is not where the library was built for");
    }
    let library = root();
    let dependencies = format!(
        "ossl-async = {{ path = {library:?}, features = [\"capi\"] }}\n\
         ossl-async-tokio = {{ path = {:?} }}\n\
         # With the features that it has in the workspace.\n\
         tokio = {{ version = \"1\", features = [\"macros\", \"net\", \"rt\", \"sync\", \"time\"] }}\n",
        library.join("tokio")
    );
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("engine-on-tokio");
    let program = compile_rust_package(&directory, "engine/on_tokio.rs", &dependencies);
    let ran = run_successfully(
        Command::new(program)
            .arg(engine())
            .env("SLOW_SHA256_REPORT", "1"),
    );
    report(&ran.stdout);
    let engine = Numbers::find(&ran.stderr, "slow_sha256");
    let program = Numbers::find(&ran.stdout, "on_tokio");
    assert_eq!(engine.get("errors"), 0);
    assert_eq!(engine.get("in_job"), program.get("digests"));
    // One for each job, closed by its cleanup when the job has ended.
    assert_eq!(engine.get("fds"), program.get("jobs"));
    assert_eq!(program.get("descriptors_left"), 0);
    assert_eq!(engine.get("pauses"), program.get("pauses"));
    assert!(program.get("pauses") >= program.get("digests"));
}
