//! When waiting requests are served, and how many together.
//!
//! To add a policy, write a file with the policy's type, its `KIND` and its `build`, and add the file
//! to the list at the end of this module. The enum of all policies, the keys of a description, its
//! messages and the command's help follow from that.

mod adaptive;
mod config;
mod context;
mod control_limit;
mod deadline;
mod decision;
mod energy_aware;
mod fixed;
mod greedy;
mod key;
mod kind;
mod min_max;
mod ray_serve;
mod read;
mod torch_serve;
mod triton;
mod window;

pub use self::{
    config::BatchingConfig,
    context::PolicyContext,
    decision::{Decision, Policy, PolicyError, Queue, QueueRule, WaitingRequest},
    key::PolicyKey,
    kind::PolicyKind,
};
use crate::error::ConfigError;

macro_rules! policies {
    ($($file:ident::$policy:ident),* $(,)?) => {
        $(pub use self::$file::$policy;)*

        /// Any of the policies of this crate, chosen at run time.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum BuiltInPolicy {
            $(
                #[doc = concat!("See [`", stringify!($policy), "`].")]
                $policy($policy),
            )*
        }

        $(
            impl From<$policy> for BuiltInPolicy {
                fn from(policy: $policy) -> Self {
                    Self::$policy(policy)
                }
            }
        )*

        impl Policy for BuiltInPolicy {
            #[inline]
            fn decide(&self, queue: &Queue) -> Decision {
                match self { $(Self::$policy(policy) => policy.decide(queue),)* }
            }

            fn decide_among(
                &self,
                queue: &Queue,
                requests: &mut dyn Iterator<Item = WaitingRequest>,
            ) -> Decision {
                match self { $(Self::$policy(policy) => policy.decide_among(queue, requests),)* }
            }

            fn has_rules(&self) -> bool {
                match self { $(Self::$policy(policy) => policy.has_rules(),)* }
            }

            fn rule(&self, request: &WaitingRequest) -> QueueRule {
                match self { $(Self::$policy(policy) => policy.rule(request),)* }
            }

            #[inline]
            fn served(&mut self, size: usize, service_s: f64) {
                match self { $(Self::$policy(policy) => policy.served(size, service_s),)* }
            }

            fn max_size(&self) -> usize {
                match self { $(Self::$policy(policy) => policy.max_size(),)* }
            }

            fn min_size(&self) -> usize {
                match self { $(Self::$policy(policy) => policy.min_size(),)* }
            }

            fn deadline_s(&self) -> Option<f64> {
                match self { $(Self::$policy(policy) => policy.deadline_s(),)* }
            }

            fn drops(&self) -> bool {
                match self { $(Self::$policy(policy) => policy.drops(),)* }
            }

            fn queue_limit(&self) -> Option<usize> {
                match self { $(Self::$policy(policy) => policy.queue_limit(),)* }
            }
        }

        /// In the order of the list.
        const KINDS: &[PolicyKind] = &[$($file::KIND),*];

        /// The policy of this kind that a description describes.
        fn build(
            config: &BatchingConfig,
            context: &PolicyContext<'_>,
        ) -> Result<BuiltInPolicy, ConfigError> {
            let name = config.kind().name();
            $(
                if name == $file::KIND.name() {
                    return $file::build(config, context).map(BuiltInPolicy::$policy);
                }
            )*
            // Every kind is one of the list.
            let expected = "a policy of this crate";
            Err(ConfigError::Invalid { key: "batching.policy", found: name.to_owned(), expected })
        }
    };
}

impl PolicyKind {
    /// All kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().copied()
    }

    /// The kind of this name; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.name() == name)
    }
}

impl BatchingConfig {
    /// The policy.
    ///
    /// # Errors
    /// [`ConfigError`] for values out of range, missing keys, keys that the policy does not use,
    /// and a Triton file that cannot be understood.
    pub fn policy(&self, context: &PolicyContext<'_>) -> Result<BuiltInPolicy, ConfigError> {
        self.check_keys()?;
        build(self, context)
    }
}

// The order is that of the help.
policies! {
    fixed::Fixed,
    greedy::Greedy,
    min_max::MinMax,
    window::Window,
    adaptive::Adaptive,
    deadline::Deadline,
    energy_aware::EnergyAware,
    control_limit::ControlLimit,
    triton::Triton,
    torch_serve::TorchServe,
    ray_serve::RayServe,
}
