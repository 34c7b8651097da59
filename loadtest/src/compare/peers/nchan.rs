//! nchan, nginx's module: Debian's `nginx-light` and `libnginx-mod-nchan`.

use std::path::Path;

use anyhow::{Context, Result};

use super::http::Plain;
use super::{Peer, Running, missing_program, version_of};
use crate::compare::stage::Stage;

/// Where Debian puts the module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// See the [module](self).
pub struct Nchan;

impl Peer for Nchan {
    fn name(&self) -> &'static str {
        "nchan"
    }

    fn about(&self) -> String {
        format!("module of nginx {}, one channel; POST", version_of("nginx", "-v"))
    }

    fn missing(&self, _stage: &Stage) -> Option<String> {
        let without_module = || {
            (!Path::new(MODULE).exists())
                .then(|| "nginx without nchan; `compare --prepare` installs it".to_owned())
        };
        missing_program("nginx").or_else(without_module)
    }

    fn start(&self, stage: &Stage) -> Result<Running> {
        let port = Stage::free_port()?;
        let own = stage.file("nchan");
        std::fs::create_dir_all(&own)?;
        let own = own.to_str().context("a directory's name is not UTF-8")?;
        let configuration = stage.write("nchan.conf", &configuration(own, port))?;
        let process = stage.start(Path::new("nginx"), &["-c", &configuration, "-p", own], port)?;
        let dialect = Plain { address: process.address, confirmation: None };
        Running::peer(process, dialect)
    }
}

fn configuration(own: &str, port: u16) -> String {
    format!(
        "load_module {MODULE};
        daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {own}/pid; error_log {own}/error.log;
        events {{ worker_connections 40000; }}
        http {{
            access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
            client_body_temp_path {own}/body; proxy_temp_path {own}/proxy; fastcgi_temp_path {own}/fastcgi;
            uwsgi_temp_path {own}/uwsgi; scgi_temp_path {own}/scgi;
            server {{
                listen 127.0.0.1:{port} backlog=4096;
                location = /ws {{
                    nchan_subscriber websocket; nchan_channel_id room; nchan_subscriber_first_message newest;
                }}
                location = /publish {{
                    nchan_publisher http; nchan_channel_id room; nchan_message_buffer_length 256;
                }}
            }}
        }}\n"
    )
}
