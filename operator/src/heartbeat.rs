//! Whether the Kubernetes API still answers, for `/readyz`: watches that hang say nothing of it.

use std::convert::Infallible;
use std::time::Duration;

use kube::Client;

use crate::call::within;
use crate::http::Readiness;

const PAUSE: Duration = Duration::from_secs(10);

/// Asks all the time, and says so when there is no answer.
pub async fn listen(client: &Client, ready: &Readiness) -> Infallible {
    loop {
        let heard = within("asking for its version", client.apiserver_version()).await;
        ready.hears(heard.is_ok());
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;
    use tokio::time::timeout;
    use tower_test::mock;

    use super::*;

    fn version() -> Response<Body> {
        let body = json!({"major": "1", "minor": "36", "gitVersion": "v1.36.3", "gitCommit": "",
            "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": ""});
        Response::new(Body::from(body.to_string().into_bytes()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_hears_nothing_of_the_api_is_not_ready_until_it_does() {
        let (service, mut server) = mock::pair::<Request<Body>, Response<Body>>();
        let (client, ready) = (Client::new(service, "default"), Readiness::default());
        ready.set(true);
        let (listening, answering) = (listen(&client, &ready), async {
            let mut seen = Vec::new();
            for answers in [true, false, true] {
                let (_, send) = server.next_request().await.unwrap();
                if answers {
                    send.send_response(version());
                    tokio::time::sleep(PAUSE / 2).await;
                } else {
                    // The next one is asked only when this one was given up.
                    timeout(Duration::from_secs(19), server.next_request()).await.unwrap_err();
                    drop(send);
                }
                seen.push(ready.get());
            }
            seen
        });
        let seen = tokio::select! { seen = answering => seen, never = listening => match never {} };
        assert_eq!(seen, [true, false, true]);
    }
}
