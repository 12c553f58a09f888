//! The gateway for text messages and calls: one request for each page, as JSON over HTTP.
//!
//! ```text
//! POST <url>
//! Authorization: Bearer <token>
//! Idempotency-Key: <id>
//! { "id", "channel": "sms" | "voice", "to", "template", "text",
//!   "variables": { "pathway", "what", "time", "place", "role" } }
//! ```
//!
//! Whatever answers with a 2xx has taken it, and takes the same `id` a second time for a repeat. 400, 404 and 422 say that
//! this message will never go out; all else is tried again.

use bytes::Bytes;
use fhir::Error;
use hyper::{Request, StatusCode};
use serde_json::json;

use crate::Paging;
use crate::devices::clock;
use crate::hand::Failed;
use crate::page::{Channel, Page};

impl Paging {
    /// Hands a page to the gateway.
    pub(crate) async fn hand_to_gateway(&self, page: &Page, to: &str) -> Result<Result<(), Failed>, Error> {
        let settings = self.settings();
        let Some(url) = &settings.gateway else {
            return Ok(Err(Failed::channel("There is no gateway.")));
        };
        let content = &page.content;
        let time = clock(content.at, self.zone());
        let variables = [
            ("pathway", content.pathway.zh.as_str()),
            ("what", &content.what.zh),
            ("time", &time),
            ("place", &content.place),
            ("role", &page.title.zh),
        ];
        let text = variables
            .iter()
            .fold(settings.text.clone(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value));
        let template = if page.channel == Channel::Voice { &settings.templates.1 } else { &settings.templates.0 };
        let body = json!({
            "id": page.id,
            "channel": page.channel.code(),
            "to": to,
            "template": template,
            "text": text,
            "variables": variables.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        });
        let mut request =
            Request::post(url.as_str()).header("content-type", "application/json").header("idempotency-key", &page.id);
        if !settings.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", settings.token));
        }
        let Ok(request) = request.body(Bytes::from(body.to_string())) else {
            return Ok(Err(Failed::channel("The gateway's address or token is none.")));
        };
        Ok(match self.0.gateway.send(request).await {
            Ok(status) if status.is_success() => Ok(()),
            Ok(status @ (StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY)) => {
                Err(Failed::never("refused", &format!("The gateway answered {}.", status.as_u16())))
            }
            Ok(status) => Err(Failed::channel(&format!("The gateway answered {}.", status.as_u16()))),
            Err(unanswered) => Err(Failed::channel(&unanswered.to_string())),
        })
    }
}
