//! What a measurement does with its results: prints them first, then writes files.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use meter::{Idle, Meter, Reading, carbon::Carbon, export::emissions};
use serde_json::Value;

use super::{
    args::Args,
    child::{self, Input, MeasuredCommand, Output},
    compare::Comparison,
    destination::{Destination, distinct},
    disclose::{self, Disclosures, Facts},
    emissions::EmissionsFile,
    grid::Grid,
    job::{self, End, Job},
    program::Program,
    repeat::{self, Session, Stop},
    result::Measurement,
    runs::Runs,
    series::SeriesFile,
    signals::Signals,
    table::{self, Line},
};
use crate::{Failure, output, progress};

/// The longest rest before a run of a comparison, if none was given.
const REST: Duration = Duration::from_secs(10);

/// The flags of a measurement, checked.
pub(super) struct Task<'a> {
    args: &'a Args,
    grid: Grid,
    document: Option<Destination>,
    csv: Option<Destination>,
    markdown: Option<Destination>,
    emissions: Option<EmissionsFile>,
    series: Option<SeriesFile>,
    disclosures: Disclosures,
}

impl<'a> Task<'a> {
    /// Checks every flag and every file that will be written; changes nothing, but makes the folder of
    /// `--mlflow`.
    ///
    /// # Errors
    ///
    /// Names the flag and what is wrong.
    pub(super) fn check(args: &'a Args) -> Result<Self, Failure> {
        let repeat = &args.repeat;
        repeat.check()?;
        distinct(&[
            ("--csv", args.csv.as_ref()),
            ("--output", args.output.as_ref()),
            ("--emissions", args.emissions.as_ref()),
            ("--export-csv", repeat.export_csv.as_ref()),
            ("--export-markdown", repeat.export_markdown.as_ref()),
            ("--ai-act", args.disclose.ai_act()),
        ])?;
        if let Some(input) = &repeat.input {
            repeat::open(input)?;
        }
        Ok(Self {
            args,
            grid: Grid::new(args.region.as_deref(), args.intensity.as_deref(), args.pue)?,
            document: Destination::optional("--output", args.output.as_ref())?,
            csv: Destination::optional("--export-csv", repeat.export_csv.as_ref())?,
            markdown: Destination::optional("--export-markdown", repeat.export_markdown.as_ref())?,
            emissions: args.emissions.as_deref().map(EmissionsFile::check).transpose()?,
            series: None,
            disclosures: args.disclose.check(args.region.is_some() || args.intensity.is_some())?,
        })
    }

    /// Opens the time series' file, and returns what writes samples into it.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub(super) fn open_series(
        &mut self,
        path: &Path,
    ) -> Result<impl FnMut(&[Reading]) + Send + 'static + use<>, Failure> {
        let (series, write) = SeriesFile::open(path)?;
        self.series = Some(series);
        Ok(write)
    }

    /// Tells what limits the results and is known before the command runs.
    pub(super) fn tell_notes(&self) {
        self.grid.note(SystemTime::now()).iter().for_each(|note| progress::line(note));
    }

    /// Runs the command once, with our standard input and output.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or, if it succeeded, a file cannot be written.
    pub(super) fn once(
        self,
        meter: &Meter,
        program: &Program,
        idle: Option<Idle>,
        job: Option<&Job>,
    ) -> Result<u8, Failure> {
        let output = if self.args.json { Output::StandardError } else { Output::Ours };
        let input = match &self.args.repeat.input {
            None => Input::Ours,
            Some(path) => Input::File(repeat::open(path)?),
        };
        let signals = Signals::start(false).map_err(Failure::run_time)?;
        let measured = child::run(meter, program, (input, output), &signals)?;
        drop(signals);
        self.finish(measured, Some(program), idle, job)
    }

    /// Measures a job until it ends.
    ///
    /// # Errors
    ///
    /// If the job has no processes, or, if nobody interrupted, a file cannot be written.
    pub(super) fn without_command(
        self,
        meter: &Meter,
        idle: Option<Idle>,
        job: &Job,
    ) -> Result<u8, Failure> {
        let (report, end) = job.measure(meter)?;
        let code = if end == End::Interrupted { 130 } else { 0 };
        self.finish(MeasuredCommand::none(report, code), None, idle, Some(job))
    }

    /// Prints the result of one run and writes the files.
    fn finish(
        mut self,
        mut measured: MeasuredCommand,
        program: Option<&Program>,
        idle: Option<Idle>,
        job: Option<&Job>,
    ) -> Result<u8, Failure> {
        let booked = job.map(|job| job.book(&mut measured.report));
        let weighed = Runs::carbon_of(&self.grid, &measured);
        let mut warnings = measured.report.warnings.clone();
        warnings.extend(weighed.warning);
        let command = program.map_or_else(Vec::new, Program::shown);
        let result = Measurement {
            command: &command,
            measured: &measured,
            idle,
            carbon: weighed.carbon.as_ref(),
            warnings: &warnings,
            of_job: booked.is_some(),
        };
        let (mut document, mut table) = (result.json(), result.table());
        let sci = self.disclosures.sci(weighed.carbon.as_ref(), &measured.report.domains);
        job::add(booked.as_ref(), &mut document, &mut table);
        disclose::add(sci.as_ref(), &mut document, &mut table);
        if self.args.json {
            output::print_json(&document)?;
        } else {
            progress::line(&table);
        }
        let runs = [(&measured, weighed.carbon.clone())];
        let text = match (program, &booked) {
            (Some(program), _) => program.text(),
            (None, Some(booked)) => booked.label().to_owned(),
            (None, None) => String::new(),
        };
        let facts = Facts {
            command: &text,
            code: program.map(|_| measured.code()),
            ended: measured.ended,
            report: &measured.report,
            carbon: weighed.carbon.as_ref(),
            warnings: &warnings,
            document: &document,
            pue: self.args.pue,
        };
        let disclosed = std::mem::take(&mut self.disclosures).write(&facts);
        let summary = super::summary::Summary::of(std::slice::from_ref(&measured));
        let lines = [Line { command: &text, summary: &summary, relative: None }];
        self.write(measured.exit_code(), &document, &lines, &runs, disclosed)
    }

    /// Runs the command several times.
    ///
    /// # Errors
    ///
    /// As [`Task::once`].
    pub(super) fn repeat(
        self,
        meter: &Meter,
        program: &Program,
        idle: Option<Idle>,
    ) -> Result<u8, Failure> {
        let repeat = &self.args.repeat;
        let mut session = Session::start(meter, repeat, Duration::ZERO, idle.as_ref())?;
        let wanted = (repeat.warmup, repeat.runs.unwrap_or(1));
        let (runs, stop) = Runs::measure(&mut session, program, wanted, idle, &self.grid);
        drop(session);
        let document = runs.json(&program.shown());
        self.print(&document, &runs.text())?;
        let code = stop.map_or(0, |stop| stop.tell("runs"));
        let carbon = |run: &MeasuredCommand| Runs::carbon_of(&self.grid, run).carbon;
        let rows: Vec<(&MeasuredCommand, Option<Carbon>)> =
            runs.runs.iter().map(|run| (run, carbon(run))).collect();
        let text = program.text();
        self.write(code, &document, &runs.lines(&text), &rows, Vec::new())
    }

    /// Compares two commands.
    ///
    /// # Errors
    ///
    /// As [`Task::once`].
    pub(super) fn compare(
        self,
        meter: &Meter,
        programs: &[Program; 2],
        idle: Option<Idle>,
    ) -> Result<u8, Failure> {
        let repeat = &self.args.repeat;
        let mut session = Session::start(meter, repeat, REST, idle.as_ref())?;
        let (comparison, stop) = Comparison::measure(
            &mut session,
            programs,
            repeat.warmup,
            repeat.limits(),
            repeat.seed(),
        );
        drop(session);
        let document = comparison.json();
        self.print(&document, &comparison.text())?;
        let code = stop.map_or(0, |stop: Stop| stop.tell("rounds"));
        self.write(code, &document, &comparison.lines(), &[], Vec::new())
    }

    /// Prints the results of repeated runs, whose own output is not on standard output.
    fn print(&self, document: &Value, text: &str) -> Result<(), Failure> {
        if self.args.json {
            return output::print_json(document);
        }
        output::print(text.trim_end());
        Ok(())
    }

    /// Writes every file, whatever happens to the others. `failures`: of files before. Returns the exit code: the command's own or,
    /// if that is 0 and a file was lost, an error.
    fn write(
        self,
        code: u8,
        document: &Value,
        lines: &[Line<'_>],
        runs: &[(&MeasuredCommand, Option<Carbon>)],
        mut failures: Vec<Failure>,
    ) -> Result<u8, Failure> {
        let mut note = |result: Result<(), Failure>| failures.extend(result.err());
        let text = serde_json::to_string_pretty(document).map_err(Failure::run_time)? + "\n";
        let files = [
            (self.document, text),
            (self.csv, table::csv(lines)),
            (self.markdown, table::markdown(lines)),
        ];
        for (file, text) in files {
            note(file.map_or(Ok(()), |file| file.write(&text)));
        }
        if let (Some(file), false) = (&self.emissions, runs.is_empty()) {
            let rows: Vec<_> =
                runs.iter().map(|(run, carbon)| row(run, carbon, &self.grid)).collect();
            let appended = file.append(&rows);
            note(appended.map(|told| told.iter().for_each(|text| progress::line(text))));
        }
        if let Some(series) = &self.series {
            note(series.finish());
        }
        let mut failures = failures.into_iter();
        let first = if code == 0 { failures.next() } else { None };
        failures.for_each(|failure| progress::line(&format!("error: {failure}")));
        first.map_or(Ok(code), Err)
    }
}

/// A line of an `emissions.csv`.
fn row<'a>(
    run: &'a MeasuredCommand,
    carbon: &Option<Carbon>,
    grid: &Grid,
) -> emissions::EmissionsRow<'a> {
    let country = grid.country();
    let ended = jiff::Timestamp::try_from(run.ended).unwrap_or_default();
    emissions::EmissionsRow {
        timestamp: ended.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        project: "wattlab".to_owned(),
        country: country.map_or("", |country| country.alpha3).to_owned(),
        country_name: country.map_or("", |country| country.name).to_owned(),
        ..emissions::row(&run.report, carbon.as_ref())
    }
}
