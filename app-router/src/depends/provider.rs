//! Which functions can provide a value, and how they are called behind one type.

use std::any::{TypeId, type_name};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use adapters::Pool;
use gateway_spec::AppError;

use super::Value;
use crate::handler::{Apply, shape};
use crate::{Depends, Extract, Operation, RequestParts};

/// A function that makes a value for [`Depends<T>`](Depends): `async fn(..) -> R`, or `fn(..) -> R` if it blocks, of up to
/// ten [extractors](Extract), where `R` is [`Depends<T>`], or a `Result` of it whose error turns into an [`AppError`].
///
/// # Examples
///
/// See [`Depends`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot provide a dependency",
    label = "not a provider",
    note = "a provider is an `async fn` or a plain `fn` of extractors, and returns `Depends<T>` or a `Result<Depends<T>, E>`",
    note = "a closure names the types of its arguments"
)]
pub trait Provider<Shape>: Send + Sync + 'static {
    /// The provider behind the one type that the router holds.
    fn into_provider(self) -> ProviderEndpoint;
}

/// What a provider returns.
pub trait Made {
    /// The type by which it is found.
    type Value: Send + Sync + 'static;

    /// The value, to be shared.
    ///
    /// # Errors
    ///
    /// If it could not be made.
    fn made(self) -> Result<Arc<Self::Value>, AppError>;
}

impl<T: Send + Sync + 'static> Made for Depends<T> {
    type Value = T;

    fn made(self) -> Result<Arc<T>, AppError> {
        Ok(self.into_shared())
    }
}

impl<T: Send + Sync + 'static, E: Into<AppError>> Made for Result<Depends<T>, E> {
    type Value = T;

    fn made(self) -> Result<Arc<T>, AppError> {
        self.map(Depends::into_shared).map_err(Into::into)
    }
}

/// A [`Provider`] whose type is erased.
pub struct ProviderEndpoint {
    pub(super) id: TypeId,
    pub(super) name: &'static str,
    pub(super) describe: fn(&mut Operation),
    pub(super) call: Arc<dyn Provide>,
}

/// Why a provider made nothing.
pub(super) enum NotMade {
    /// Its arguments could not be read. Others may find more that is wrong.
    Arguments(AppError),
    /// It said no.
    Refused(AppError),
}

pub(super) type Making<'a> = Pin<Box<dyn Future<Output = Result<Value, NotMade>> + Send + 'a>>;

/// A provider behind one type.
pub(super) trait Provide: Send + Sync {
    fn provide<'a>(&'a self, request: &'a RequestParts, pool: &'a Pool) -> Making<'a>;
}

struct Async<F, A>(F, PhantomData<fn() -> A>);

struct Blocking<F, A>(Arc<F>, PhantomData<fn() -> A>);

impl<F, A> Provide for Async<F, A>
where
    F: Apply<A>,
    F::Output: Future<Output: Made> + Send,
    A: Extract,
{
    fn provide<'a>(&'a self, request: &'a RequestParts, _pool: &'a Pool) -> Making<'a> {
        Box::pin(async move {
            let arguments = A::extract(request).await.map_err(NotMade::Arguments)?;
            let made = self.0.apply(arguments).await.made();
            made.map(|value| value as Value).map_err(NotMade::Refused)
        })
    }
}

impl<F, A> Provide for Blocking<F, A>
where
    F: Apply<A>,
    F::Output: Made,
    A: Extract,
{
    fn provide<'a>(&'a self, request: &'a RequestParts, pool: &'a Pool) -> Making<'a> {
        Box::pin(async move {
            let arguments = A::extract(request).await.map_err(NotMade::Arguments)?;
            let function = Arc::clone(&self.0);
            let made = pool
                .run(None, move || function.apply(arguments).made())
                .await;
            let made = made.unwrap_or_else(|error| Err(error.into()));
            made.map(|value| value as Value).map_err(NotMade::Refused)
        })
    }
}

fn endpoint<R: Made>(
    call: impl Provide + 'static,
    describe: fn(&mut Operation),
) -> ProviderEndpoint {
    ProviderEndpoint {
        id: TypeId::of::<R::Value>(),
        name: type_name::<R::Value>(),
        describe,
        call: Arc::new(call),
    }
}

macro_rules! providers {
    ($(($($name:ident)*))*) => {$(
        impl<F, Fut, R, $($name),*> Provider<shape::Async<($($name,)*)>> for F
        where
            F: Fn($($name),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: Made,
            $($name: Extract,)*
        {
            fn into_provider(self) -> ProviderEndpoint {
                let call = Async::<F, ($($name,)*)>(self, PhantomData);
                endpoint::<R>(call, <($($name,)*)>::describe)
            }
        }

        impl<F, R, $($name),*> Provider<shape::Blocking<($($name,)*)>> for F
        where
            F: Fn($($name),*) -> R + Send + Sync + 'static,
            R: Made,
            $($name: Extract,)*
        {
            fn into_provider(self) -> ProviderEndpoint {
                let call = Blocking::<F, ($($name,)*)>(Arc::new(self), PhantomData);
                endpoint::<R>(call, |operation| {
                    operation.blocks = true;
                    <($($name,)*)>::describe(operation);
                })
            }
        }
    )*};
}
crate::handler::up_to_ten!(providers);

impl fmt::Debug for ProviderEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProviderEndpoint").field(&self.name).finish()
    }
}
