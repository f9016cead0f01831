//! The routes of an application that does wrong: lengths that are not so, failures, lies, silence.

use std::future::pending;
use std::time::Duration;

use gateway_spec::types::{HeaderValue, StatusCode, header};
use gateway_spec::{AppError, Done, Gone, Responder, ResponseHead, Scope, Unavailable};

use super::{Routes, false_done};

impl Routes {
    /// Lengths that are not the body's.
    pub(super) async fn length(
        &self,
        how: &[&str],
        responder: Responder,
    ) -> Result<Done, AppError> {
        let declared = |length: &'static str| {
            ResponseHead::new(StatusCode::OK)
                .with_header(header::CONTENT_LENGTH, HeaderValue::from_static(length))
        };
        match how {
            ["right"] => {
                let mut writer = responder.start(declared("6")).await?;
                writer.write("abc").await?;
                writer.write("def").await?;
                writer.finish().await
            }
            ["over"] => {
                let mut writer = responder.start(declared("3")).await?;
                let over = writer.write("abcdef").await;
                self.reports.say("length", format_args!("{over:?}"));
                writer.write("abc").await?;
                writer.finish().await
            }
            ["under"] => {
                let mut writer = responder.start(declared("6")).await?;
                writer.write("abc").await?;
                let under = writer.finish().await;
                let told = under.as_ref().map(|_| ()).map_err(ToString::to_string);
                self.reports.say("length", format_args!("{told:?}"));
                under
            }
            ["twice"] => {
                let head = declared("3")
                    .with_header(header::CONTENT_LENGTH, HeaderValue::from_static("3"));
                self.bad_head(head, responder).await
            }
            ["no-number"] => self.bad_head(declared("+3"), responder).await,
            ["informational"] => {
                self.bad_head(ResponseHead::new(StatusCode::EARLY_HINTS), responder)
                    .await
            }
            _ => responder.respond(StatusCode::NOT_FOUND).await,
        }
    }

    async fn bad_head(&self, head: ResponseHead, responder: Responder) -> Result<Done, AppError> {
        let error = match responder.start(head).await {
            Ok(writer) => return writer.finish().await,
            Err(error) => error,
        };
        self.reports.say("length", format_args!("{error:?}"));
        Err(error.into())
    }

    /// An application that fails, forgets, lies or gives up, before and after the start.
    pub(super) async fn fail(
        &self,
        how: &[&str],
        scope: &Scope,
        responder: Responder,
    ) -> Result<Done, AppError> {
        match how {
            ["panic"] => panic!("the peer panics on purpose"),
            ["error"] => {
                scope.label.set("the-failing");
                Err(AppError::message("the peer fails on purpose\nin two lines"))
            }
            ["status", status] => Err(AppError::status(status.parse()?)),
            ["unavailable"] => Err(Unavailable::for_about(Duration::from_secs(7)).into()),
            ["gone"] => Err(Gone::PeerReset.into()),
            ["abort"] => Ok(responder.abort()),
            ["lie"] => Ok(false_done(scope)),
            ["forgotten"] => {
                drop(responder);
                self.reports.pass("forgotten").await;
                self.reports.say("forgotten", "the call went on");
                Ok(false_done(scope))
            }
            ["started", how] => {
                let mut writer = responder.start(StatusCode::OK).await?;
                writer.write("partial").await?;
                match *how {
                    "panic" => panic!("the peer panics on purpose"),
                    "error" => Err(AppError::message("the peer fails on purpose")),
                    "abort" => Ok(writer.abort()),
                    "forgotten" => {
                        drop(writer);
                        pending().await
                    }
                    _ => {
                        let kept = writer;
                        tokio::spawn(async move {
                            kept.gone().await;
                        });
                        Ok(false_done(scope))
                    }
                }
            }
            _ => responder.respond(StatusCode::NOT_FOUND).await,
        }
    }
}
