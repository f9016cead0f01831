//! Between the application and a right server: a lifespan that goes wrong.

use std::sync::Arc;

use gateway_spec::{DrainSignal, Lifespan, LifespanScope, LifespanTransport, State};

/// What a wrong server does where a right one would hand on, as [`Exchange`](crate::exchange::Exchange).
#[derive(Clone, Copy)]
pub(crate) struct Life {
    /// When the lifespan begins.
    pub(crate) begin: fn(&Layer),
    /// When the application has started.
    pub(crate) started: fn(&Layer, State),
    /// When the application wants no lifespan.
    pub(crate) refuse: fn(&Layer),
    /// When the application asks for the signal of the shutdown.
    pub(crate) shutdown: fn(&Layer) -> DrainSignal,
    /// When the application has stopped.
    pub(crate) stopped: fn(&Layer),
    /// When the application forgot to say.
    pub(crate) abort: fn(&Layer),
}

/// Nothing goes wrong.
pub(crate) const FAITHFUL: Life = Life {
    begin: |_| {},
    started: |layer, state| layer.inner.started(state),
    refuse: |layer| layer.inner.refuse(),
    shutdown: |layer| layer.inner.shutdown(),
    stopped: |layer| layer.inner.stopped(),
    abort: |layer| layer.inner.abort(),
};

/// The lifespan with this in between.
pub(crate) fn wrap(lifespan: Lifespan, life: Life) -> Lifespan {
    let scope = lifespan.scope.clone();
    lifespan.map_transport(|inner| {
        let layer = Layer { life, scope, inner };
        (layer.life.begin)(&layer);
        Arc::new(layer)
    })
}

pub(crate) struct Layer {
    life: Life,
    pub(crate) scope: LifespanScope,
    pub(crate) inner: Arc<dyn LifespanTransport>,
}

impl LifespanTransport for Layer {
    fn started(&self, state: State) {
        (self.life.started)(self, state);
    }

    fn refuse(&self) {
        (self.life.refuse)(self);
    }

    fn shutdown(&self) -> DrainSignal {
        (self.life.shutdown)(self)
    }

    fn stopped(&self) {
        (self.life.stopped)(self);
    }

    fn abort(&self) {
        (self.life.abort)(self);
    }
}
