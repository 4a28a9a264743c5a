//! The catalog of chips. Its order is that of preference.
//!
//! Sources: the drivers in `drivers/hwmon`, `drivers/gpu/drm`, `drivers/platform/x86/amd/hsmp` and
//! `arch/*/boot/dts` of Linux 6.19, `Documentation/hwmon`, and where a line says so, the maker's
//! documents or a driver outside of the kernel. Where a maker states no accuracy, the error is
//! assumed: 5 % for a sensor on the board or in a supply, and for AMD's counters, which are a model
//! in the processor (Schöne and others, *Energy Efficiency Aspects of the AMD Zen 2 Architecture*,
//! CLUSTER 2021); 10 % for AMD's GPU firmware and where nothing is known.

use units::{Domain, Seconds};

use super::catalog::{
    Entry,
    Part::{self, Apart, Nothing, Of, Output, Unknown},
    Within, matches,
};

const BOARD: f64 = 0.05;
const SHUNT: f64 = 0.03;
const VAGUE: f64 = 0.1;

const PACKAGE: Part = Of(Domain::CpuPackage);
const CORE: Part = Of(Domain::CpuCore);
const UNCORE: Part = Of(Domain::CpuUncore);
const DRAM: Part = Of(Domain::Dram);
const GPU: Part = Of(Domain::Gpu);
const SYSTEM: Part = Of(Domain::System);

const SOCKET: Within = Within::Numbered(&["Grace*", "Total Power Socket*", "Module*"]);
const MODULE: Within = Within::Numbered(&["Module*"]);

/// How an amdgpu chip of an APU is looked up.
pub(super) const APU: &str = "amdgpu of an APU";
/// How an amdgpu chip of a processor with memory in its package (MI300A) is looked up.
pub(super) const APU_WITH_MEMORY: &str = "amdgpu of an APU with memory";

/// Firmware of AMD's GPUs renews and averages its power over about this time.
const AMDGPU: Seconds = Seconds(0.1);

pub(super) const CHIPS: &[Entry] = &[
    // AMD's registers of energy: `amd_energy` (Linux 5.8 to 5.12), `zenergy` (outside of the kernel).
    Entry::new("amd_energy", "Esocket*", PACKAGE, "amd_energy", BOARD),
    Entry::new("amd_energy", "*", CORE, "amd_energy", BOARD).within(Within::Chip("Esocket*")),
    Entry::new("zenergy", "Esocket*", PACKAGE, "zenergy", BOARD),
    Entry::new("zenergy", "*", CORE, "zenergy", BOARD).within(Within::Chip("Esocket*")),
    // The management firmware of AMD's servers: one chip for each socket. `sbrmi` is the same, seen
    // by a service processor.
    Entry::new("amd_hsmp*", "*", PACKAGE, "amd_hsmp", BOARD),
    Entry::new("hsmp*", "*", PACKAGE, "amd_hsmp", BOARD),
    Entry::new("sbrmi*", "*", PACKAGE, "sbrmi", BOARD),
    // POWER: `ibmpowernv` on the host (labels of the firmware skiboot), `occ` on its service
    // processor. `occ` divides by all samples since its start, which is no mean power.
    Entry::new("ibmpowernv", "System", SYSTEM, "ibmpowernv", BOARD),
    Entry::new("ibmpowernv", "Chip * Vdd", CORE, "ibmpowernv", BOARD).within(Within::Stem),
    Entry::new("ibmpowernv", "Chip * Vdn", UNCORE, "ibmpowernv", BOARD).within(Within::Stem),
    Entry::new("ibmpowernv", "Chip * Memory", DRAM, "ibmpowernv", BOARD),
    Entry::new("ibmpowernv", "Chip * GPU", GPU, "ibmpowernv", BOARD),
    Entry::new("ibmpowernv", "Chip *", PACKAGE, "ibmpowernv", BOARD),
    Entry::new("occ", "*system", SYSTEM, "occ", BOARD).present(),
    Entry::new("occ", "*_proc", PACKAGE, "occ", BOARD).present(),
    Entry::new("occ", "*_vdd", CORE, "occ", BOARD).within(Within::Chip("*_proc")).present(),
    Entry::new("occ", "*_vdn", UNCORE, "occ", BOARD).within(Within::Chip("*_proc")).present(),
    Entry::new("occ", "*", Unknown, "occ", BOARD).present(),
    // AMD before Zen: the power of the processor. Drivers outside of the kernel copy the name.
    Entry::new("fam*h_power", "*", PACKAGE, "fam15h_power", BOARD),
    // Ampere Altra and APM X-Gene.
    Entry::new("smpro_hwmon", "*CORE VRD", CORE, "smpro", BOARD),
    Entry::new("smpro_hwmon", "*DIMM VRD*", DRAM, "smpro", BOARD),
    Entry::new("smpro_hwmon", "*", UNCORE, "smpro", BOARD),
    Entry::new("apm_xgene", "CPU power", CORE, "xgene", BOARD),
    Entry::new("apm_xgene", "*", UNCORE, "xgene", BOARD),
    // The voltage regulators of Zen (outside of the kernel): cores and the rest of the chip.
    Entry::new("zenpower*", "RAPL_P_Package", PACKAGE, "zenpower", BOARD),
    Entry::new("zenpower*", "RAPL_P_Core", CORE, "zenpower", BOARD)
        .within(Within::Chip("RAPL_P_Package")),
    Entry::new("zenpower*", "*P_Core*", CORE, "zenpower", BOARD),
    Entry::new("zenpower*", "*P_SoC*", UNCORE, "zenpower", BOARD),
    Entry::new("zenpower*", "*", UNCORE, "zenpower", BOARD),
    // An APU's firmware shows the power of the whole socket: "On APUs this includes the CPU"
    // (`Documentation/gpu/amdgpu/thermal.rst`). The second sensor is the same for a shorter time.
    Entry::new(APU, "fastPPT", PACKAGE, "amdgpu-apu", VAGUE).within(Within::Chip("slowPPT")),
    Entry::new(APU, "*", PACKAGE, "amdgpu-apu", VAGUE).containing(&[Domain::Gpu]).every(AMDGPU),
    Entry::new(APU_WITH_MEMORY, "*", PACKAGE, "amdgpu-apu", VAGUE)
        .containing(&[Domain::Gpu, Domain::Dram])
        .every(AMDGPU),
    // Boards. The package of a card lies in the card, a tile in its device.
    Entry::new("amdgpu", "fastPPT", GPU, "amdgpu", VAGUE).within(Within::Chip("slowPPT")),
    Entry::new("amdgpu", "*", GPU, "amdgpu", VAGUE).every(AMDGPU),
    Entry::new("xe", "pkg", GPU, "xe", BOARD).within(Within::Chip("card")),
    Entry::new("xe", "energy2", GPU, "xe", BOARD).within(Within::Chip("energy1")),
    Entry::new("xe", "power2", GPU, "xe", BOARD).within(Within::Chip("power1")),
    Entry::new("xe", "card", GPU, "xe", BOARD),
    Entry::new("xe", "energy1", GPU, "xe", BOARD),
    Entry::new("xe", "power1", GPU, "xe", BOARD),
    Entry::new("xe", "*", GPU, "xe", BOARD).within(Within::Chip("card")),
    Entry::new("i915_gt*", "*", GPU, "i915", BOARD).within(Within::Device("i915")),
    Entry::new("i915", "*", GPU, "i915", BOARD),
    Entry::new("nouveau", "*", GPU, "nouveau", BOARD),
    // Habana Gaudi, named by the card (`HL-205`); Tenstorrent's driver outside of the kernel.
    Entry::new("hl1*", "*", GPU, "habanalabs", BOARD),
    Entry::new("hl2*", "*", GPU, "habanalabs", BOARD),
    Entry::new("hl3*", "*", GPU, "habanalabs", BOARD),
    Entry::new("hl_*", "*", GPU, "habanalabs", BOARD),
    Entry::new("wormhole", "*", GPU, "tenstorrent", BOARD),
    Entry::new("blackhole", "*", GPU, "tenstorrent", BOARD),
    // ACPI power meters. On NVIDIA Grace the module contains the socket (and on Grace Hopper the GPU),
    // and the socket contains its cores, its SoC and its memory: NVIDIA's Grace tuning guide, and the
    // ACPI tables of its firmware. On other servers the meter is at the machine's input.
    Entry::new("power_meter", "Module*", SYSTEM, "grace", BOARD),
    Entry::new("power_meter", "Grace*", PACKAGE, "grace", BOARD)
        .within(MODULE)
        .containing(&[Domain::Dram]),
    Entry::new("power_meter", "Total Power Socket*", PACKAGE, "grace", BOARD)
        .within(MODULE)
        .containing(&[Domain::Dram]),
    Entry::new("power_meter", "CPU Power Socket*", CORE, "grace", BOARD).within(SOCKET),
    Entry::new("power_meter", "SysIO Power Socket*", UNCORE, "grace", BOARD).within(SOCKET),
    Entry::new("power_meter", "SoC Power Socket*", UNCORE, "grace", BOARD).within(SOCKET),
    Entry::new("power_meter", "DRAM Power Socket*", DRAM, "grace", BOARD).within(SOCKET),
    Entry::new("power_meter", "*", SYSTEM, "power_meter", BOARD),
    // NVIDIA Jetson: rails on INA monitors (`arch/arm64/boot/dts/nvidia`, NVIDIA's Jetson Linux
    // guide). The input contains the rails. AGX modules have no sensor of it, and the sum of their
    // rails is the module; the memory of AGX Orin is fed from its 5 V.
    Entry::new("ina*", "VDD_MUX", SYSTEM, "jetson", BOARD),
    Entry::new("ina*", "VDD_IN", SYSTEM, "jetson", BOARD).within(Within::Family("VDD_MUX")),
    Entry::new("ina*", "VIN", SYSTEM, "jetson", BOARD),
    Entry::new("ina*", "POM_5V_IN", SYSTEM, "jetson", BOARD),
    Entry::new("ina3221*", "VDD_CPU_GPU_CV", PACKAGE, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "VDD_SOC", Apart, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "VDD_CPU_CV", CORE, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "VDD_GPU_SOC", GPU, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "VDDQ_VDD2_1V8AO", DRAM, "jetson", BOARD)
        .within(Within::Family("VIN_SYS_5V0")),
    Entry::new("ina3221*", "VIN_SYS_5V0", Apart, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "VDD_CPU_SOC_MSS", CORE, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "VDD_GPU", GPU, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "GPU", GPU, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "CPU", CORE, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "SOC", UNCORE, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "CV", Apart, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "VDDRQ", DRAM, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "SYS5V", Apart, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "POM_5V_GPU", GPU, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "POM_5V_CPU", CORE, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "VDD_SYS_GPU", GPU, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "VDD_SYS_CPU", CORE, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "VDD_SYS_SOC", UNCORE, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "VDD_SYS_DDR", DRAM, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "VDD_4V0_WIFI", Apart, "jetson", BOARD).within(Within::Machine),
    Entry::new("ina3221*", "NC", Nothing, "jetson", BOARD),
    // Apple silicon (`macsmc-hwmon`, device trees of the Asahi project). The power of the AC adapter
    // also charges the battery.
    Entry::new("macsmc*", "Total System Power", SYSTEM, "macsmc", BOARD),
    Entry::new("macsmc*", "AC Input Power", SYSTEM, "macsmc", BOARD)
        .within(Within::Chip("Total System Power")),
    Entry::new("macsmc*", "*Heatpipe*", Nothing, "macsmc", BOARD),
    Entry::new("macsmc*", "*", Unknown, "macsmc", BOARD).within(Within::Chip("Total System Power")),
    // Supplies on PMBus: all together feed the machine.
    supply("dps*"),
    supply_gives("dps*"),
    supply("acbel*"),
    supply_gives("acbel*"),
    supply("aps-379"),
    supply_gives("aps-379"),
    supply("pfe*"),
    supply_gives("pfe*"),
    supply("bp*-rs600"),
    supply_gives("bp*-rs600"),
    supply("*crps*"),
    supply_gives("*crps*"),
    supply("d1u74t*"),
    supply_gives("d1u74t*"),
    supply("ym2151*"),
    supply_gives("ym2151*"),
    supply("yh5151*"),
    supply_gives("yh5151*"),
    supply("cffps*"),
    supply_gives("cffps*"),
    supply("ipsps*"),
    supply_gives("ipsps*"),
    supply("hac300s"),
    supply_gives("hac300s"),
    // Corsair: what the supply gives, as the sum of its rails.
    Entry::new("corsair*psu", "power total", Output, "corsair-psu", BOARD),
    Entry::new("corsair*psu", "*", Output, "corsair-psu", BOARD)
        .within(Within::Chip("power total")),
    // Heat that a cooler carries away is no energy that it takes.
    Entry::new("*", "Dissipated power", Nothing, "other", VAGUE),
    // Monitors that a board's maker places: INA, LTC, ADM and other chips with a shunt (their data
    // sheets state 0.5 to 1 % of gain, the shunt 1 %), regulators and bricks on PMBus.
    Entry::new("ina*", "*", Unknown, "other", SHUNT),
    Entry::new("ltc*", "pout*", Unknown, "other", SHUNT).within(Within::Chip("pin*")),
    Entry::new("ltc*", "*", Unknown, "other", SHUNT),
    Entry::new("adm1*", "pout*", Unknown, "other", SHUNT).within(Within::Chip("pin*")),
    Entry::new("adm1*", "*", Unknown, "other", SHUNT),
    Entry::new("*", "pout*", Unknown, "other", VAGUE).within(Within::Chip("pin*")),
    Entry::new("*", "*total*", Unknown, "other", VAGUE),
];

/// A chip that nobody knows.
pub(super) const UNKNOWN: Entry =
    Entry::new("*", "*", Unknown, "other", VAGUE).within(Within::Chip("*total*"));

/// What a supply takes, or all of it that the supply shows.
const fn supply(chip: &'static str) -> Entry {
    Entry::new(chip, "pin*", SYSTEM, "psu", BOARD)
}

/// What a supply gives.
const fn supply_gives(chip: &'static str) -> Entry {
    Entry::new(chip, "*", Output, "psu", BOARD).within(Within::Chip("pin*"))
}

/// The place of a chip in the catalog.
pub(super) fn rank(chip: &str) -> usize {
    let known = |entry: &Entry| entry.chip != "*" && matches(entry.chip, chip);
    CHIPS.iter().position(known).unwrap_or(CHIPS.len())
}

/// What is known of a sensor.
pub(super) fn entry(chip: &str, label: &str) -> &'static Entry {
    let known = |entry: &&Entry| matches(entry.chip, chip) && matches(entry.label, label);
    CHIPS.iter().find(known).unwrap_or(&UNKNOWN)
}
