//! What applications share on any server: small wrappers over the contract, each an application itself.
