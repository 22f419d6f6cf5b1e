//! Which threads, on which cores, idling how: the plan's wishes against what the host has.
//!
//! Pure: cores are handed in. A layout with more hot threads than cores never spins.

use crate::config::plan::{Idle, Layout, ThreadPlan};

/// What was decided, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topology {
    /// `Pipeline` or `Fused`.
    pub layout: Layout,
    /// Why this layout.
    pub layout_reason: String,
    /// Not `Auto`.
    pub idle: Idle,
    /// For the log and the status page.
    pub warnings: Vec<String>,
    /// Core of each hot thread, where pinned.
    pub cores: Vec<Option<usize>>,
}

/// Stages that are hot, and so threads of the pipeline layout.
const STAGES: usize = 3;

/// Decides for a host with these cores.
pub fn decide(plan: &ThreadPlan, online: &[usize], isolated: &[usize]) -> Topology {
    let mut warnings = Vec::new();
    let (layout, layout_reason) = match plan.layout {
        Layout::Auto if isolated.len() >= STAGES => (
            Layout::Pipeline,
            format!(
                "{} isolated cores are enough for {STAGES} hot threads",
                isolated.len()
            ),
        ),
        Layout::Auto => (
            Layout::Fused,
            format!(
                "{} isolated cores, and {STAGES} would be needed for a pipeline",
                isolated.len()
            ),
        ),
        chosen => (chosen, "asked for by the configuration".to_owned()),
    };
    let threads = if layout == Layout::Pipeline {
        STAGES
    } else {
        1
    };
    let scarce = threads > online.len();
    let idle = match plan.idle {
        Idle::Auto if scarce || isolated.len() < threads => Idle::Yield,
        Idle::Auto => Idle::Spin,
        Idle::Spin if scarce => {
            warnings.push(format!(
                "{threads} hot threads on {} cores cannot spin: they yield. Use layout = \"fused\" or a host with more cores",
                online.len()
            ));
            Idle::Yield
        }
        chosen => chosen,
    };
    let cores: Vec<_> = (0..threads).map(|at| plan.cores.get(at).copied()).collect();
    if !plan.cores.is_empty() && plan.cores.len() < threads {
        warnings.push(format!(
            "{threads} hot threads and {} cores in threads.cores: the rest are not pinned",
            plan.cores.len()
        ));
    }
    Topology {
        layout,
        layout_reason,
        idle,
        warnings,
        cores,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(layout: Layout, idle: Idle, cores: &[usize]) -> ThreadPlan {
        ThreadPlan {
            layout,
            idle,
            cores: cores.to_vec(),
            lock_memory: false,
            ring_slots: 64,
        }
    }

    #[test]
    fn auto_takes_the_pipeline_only_with_isolated_cores() {
        let auto = plan(Layout::Auto, Idle::Auto, &[]);
        let small = decide(&auto, &[0, 1], &[]);
        assert_eq!((small.layout, small.idle), (Layout::Fused, Idle::Yield));
        let large = decide(&auto, &[0, 1, 2, 3, 4], &[2, 3, 4]);
        assert_eq!((large.layout, large.idle), (Layout::Pipeline, Idle::Spin));
    }

    #[test]
    fn more_threads_than_cores_never_spin() {
        let topology = decide(&plan(Layout::Pipeline, Idle::Spin, &[0]), &[0, 1], &[]);
        assert_eq!(topology.idle, Idle::Yield);
        assert_eq!(topology.cores, [Some(0), None, None]);
        assert_eq!(topology.warnings.len(), 2);
        let parked = decide(&plan(Layout::Pipeline, Idle::Park, &[]), &[0, 1], &[]);
        assert_eq!((parked.idle, parked.warnings.len()), (Idle::Park, 0));
    }
}
