//! What the server measures, for Prometheus: the recorder, and the one page that shows it.
//!
//! Off unless asked for. The page is on a listener of its own, so that no setting of the public one can ever show
//! it, and that listener is on this machine or in a private network. What is measured is the engine's business
//! (`amphi_engine::metrics`); nobody's name, address or amphi is in it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use amphi_engine::connections;
use amphi_engine::metrics::{ALL, Kind, StatusClass, meters};
use anyhow::Context as _;
use axum::Router;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use clap::Args;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// What Prometheus reads.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Connections to the page: a scraper or two, and a curious administrator.
const CONNECTIONS_MAX: usize = 8;
/// How often what was recorded is put in its buckets: until then each value takes 8 bytes, and 1,000 values a
/// second are more than a whole country choosing at once.
const SORTED_EVERY: Duration = Duration::from_secs(5);

/// What a server may be told about its metrics.
#[derive(Debug, Args)]
pub struct MetricsArguments {
    /// Adresse où Prometheus lit les mesures (/metrics), sur cette machine ou un réseau privé ; sans elle, rien n’est mesuré
    #[arg(long, env = "AMPHI_METRICS_LISTEN", value_name = "ADRESSE")]
    metrics_listen: Option<SocketAddr>,
}

/// The page, not served yet.
pub struct MetricsPage {
    /// Where it will be.
    pub url: String,
    listener: TcpListener,
    recorded: PrometheusHandle,
}

impl MetricsPage {
    /// Takes the address and begins to record, if the server was told to.
    pub async fn open(arguments: &MetricsArguments) -> anyhow::Result<Option<Self>> {
        let Some(address) = arguments.metrics_listen else { return Ok(None) };
        anyhow::ensure!(
            is_private(address.ip()),
            "--metrics-listen {address} : les mesures ne se montrent que sur cette machine (127.0.0.1) ou à une \
             adresse de réseau privé, jamais à toutes les adresses ni à une adresse publique"
        );
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("l’adresse {address} n’est pas libre"))?;
        let recorded = recorder()?.install_recorder()?;
        // Bound to the recorder from here on; every series is there from the start.
        meters();
        let url = format!("http://{}/metrics", listener.local_addr()?);
        Ok(Some(Self { url, listener, recorded }))
    }

    /// Answers until `stop` completes.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let recorded = self.recorded.clone();
        let show = async move || ([(CONTENT_TYPE, TEXT_FORMAT)], recorded.render());
        let page = Router::new().route("/metrics", get(show));
        tokio::select! {
            () = connections::serve(self.listener, page, CONNECTIONS_MAX, stop) => {}
            () = sort(&self.recorded) => {}
        }
    }
}

async fn sort(recorded: &PrometheusHandle) {
    loop {
        tokio::time::sleep(SORTED_EVERY).await;
        recorded.run_upkeep();
    }
}

/// A recorder that knows the buckets of every metric.
fn recorder() -> anyhow::Result<PrometheusBuilder> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram(ends) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), ends)?;
        }
    }
    Ok(builder)
}

/// Whether only this machine or a private network can reach `address`; all addresses at once (0.0.0.0) are not.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

/// Measures a request, whatever becomes of it.
pub async fn time_request(request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    let response = next.run(request).await;
    let class = StatusClass::of(response.status().as_u16());
    meters().http.of(class).record(arrived.elapsed());
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use amphi_engine::metrics::Meters;

    use super::*;

    /// Name and labels of every line; of a histogram, the count stands for all.
    fn series(page: &str) -> BTreeSet<String> {
        let lines = page.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
    }

    fn expected() -> BTreeSet<String> {
        let mut expected = BTreeSet::new();
        for metric in ALL {
            let labels: Vec<String> = match metric.label {
                None => vec![String::new()],
                Some((name, values)) => values.iter().map(|value| format!("{name}=\"{value}\"")).collect(),
            };
            for label in labels {
                let braced = |inside: &str| {
                    let both = [label.as_str(), inside];
                    let inside =
                        both.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",");
                    if inside.is_empty() { inside } else { format!("{{{inside}}}") }
                };
                let Kind::Histogram(ends) = metric.kind else {
                    expected.insert(format!("{}{}", metric.name, braced("")));
                    continue;
                };
                let ends = ends.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
                let bucket = |end| format!("{}_bucket{}", metric.name, braced(&format!("le=\"{end}\"")));
                expected.extend(ends.map(bucket));
                expected.extend(["sum", "count"].map(|part| format!("{}_{part}{}", metric.name, braced(""))));
            }
        }
        expected
    }

    /// Labels are bounded: every series is there before anything has happened, and there are few.
    #[test]
    fn every_series_is_there_from_the_start() {
        let recorder = recorder().unwrap().build_recorder();
        let meters = ::metrics::with_local_recorder(&recorder, Meters::resolve);
        let page = recorder.handle().render();
        assert_eq!(series(&page), expected());
        assert!(expected().len() < 500, "{} series", expected().len());
        for metric in ALL {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            assert!(page.contains(&format!("# TYPE {} {kind}\n", metric.name)), "{}", metric.name);
            assert!(page.contains(&format!("# HELP {} {}", metric.name, metric.help)), "{}", metric.name);
        }
        meters.http.of(StatusClass::of(404)).record(0.004);
        let page = recorder.handle().render();
        assert_eq!(series(&page), expected());
        assert!(page.contains("amphi_http_request_seconds_bucket{class=\"4xx\",le=\"0.003\"} 0\n"), "{page}");
        assert!(page.contains("amphi_http_request_seconds_bucket{class=\"4xx\",le=\"0.005\"} 1\n"), "{page}");
    }

    #[test]
    fn names_say_their_unit_and_are_said_once() {
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            assert!(metric.name.starts_with("amphi_"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert_eq!(
                metric.name.ends_with("_seconds"),
                metric.unit == ::metrics::Unit::Seconds,
                "{}",
                metric.name
            );
        }
    }

    #[test]
    fn the_page_is_for_this_machine_and_private_networks() {
        for (address, shown) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("192.168.1.1", true),
            ("::1", true),
            ("fd00::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("8.8.8.8", false),
            ("2001:4860::1", false),
            ("::ffff:8.8.8.8", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), shown, "{address}");
        }
    }
}
