using System.Globalization;
using Orleans.Training.Client.Exports;
using Orleans.Training.Trainer;
using Spectre.Console;

namespace Orleans.Training.Cli.Demo;

/// <summary>How a demonstration speaks: bars on a terminal, a plain line a round when piped, JSON lines for machines.</summary>
internal abstract class DemoOutput
{
    public static DemoOutput For(bool json) => json ? new JsonOutput() : new TextOutput(!Console.IsOutputRedirected);

    public abstract void Say(string text);

    public abstract Task Rounds(IAsyncEnumerable<DemoRound> rounds, int count);

    public abstract void Table(DemoPlan plan, DemoRun run, Baseline baseline, TimeSpan processor, ExportReport report, PlainRun? plain);

    public abstract void Verified(ExportReport report, string export, string policy, TimeSpan elapsed);

    protected static string Percent(double value) => string.Create(CultureInfo.InvariantCulture, $"{100 * value:F1} %");

    protected static string Area(double? value) => value?.ToString("F3", CultureInfo.InvariantCulture) ?? "–";

    private sealed class TextOutput(bool terminal) : DemoOutput
    {
        public override void Say(string text) => Console.WriteLine(text);

        public override async Task Rounds(IAsyncEnumerable<DemoRound> rounds, int count)
        {
            if (!terminal)
            {
                await foreach (var round in rounds) Console.WriteLine(Line(round));
                return;
            }

            await AnsiConsole.Progress().AutoClear(false).StartAsync(async progress =>
            {
                var task = progress.AddTask("rounds", maxValue: count);
                await foreach (var round in rounds)
                {
                    task.Description = Markup.Escape($"round {round.Number}: accuracy {Percent(round.Result.Accuracy)}");
                    task.Value = round.Number;
                }
            });
        }

        public override void Table(DemoPlan plan, DemoRun run, Baseline baseline, TimeSpan processor, ExportReport report, PlainRun? plain)
        {
            var culture = CultureInfo.InvariantCulture;
            Console.WriteLine();
            Console.WriteLine($"  {"model, on the rows that nobody trained on",-46} accuracy    AUC");
            foreach (var (name, result) in baseline.Alone) Row($"{name} alone", result);
            Row(plan.Noise is null ? "federated, over the ledger" : $"federated, over the ledger, ε = {plan.Noise.Epsilon.ToString(culture)}", run.Final!);
            Row($"federated, the same training without a ledger{(plan.Noise is null ? "" : " or noise")}", baseline.Federated);
            Row("pooled: all data in one place", baseline.Pooled);
            Console.WriteLine();
            Console.WriteLine(string.Create(culture, $"  training with the ledger     {run.Elapsed.TotalSeconds,7:F2} s   {processor.TotalSeconds,7:F2} CPU-s (all silos: validators, gateway and trainers){(plain is null ? "" : ", masked")}"));
            if (plain is not null) Console.WriteLine(string.Create(culture, $"  the same without masks       {plain.Wall.TotalSeconds,7:F2} s   {plain.Processor.TotalSeconds,7:F2} CPU-s: masks cost {run.Elapsed / plain.Wall:F2} times the time, {(run.Elapsed - plain.Wall).TotalMilliseconds / plan.Rounds:F0} ms a round"));
            Console.WriteLine(string.Create(culture, $"  the same without a ledger    {baseline.Wall.TotalSeconds,7:F2} s   {baseline.Processor.TotalSeconds,7:F2} CPU-s (same trainer code, as many threads)"));
            Console.WriteLine(string.Create(culture, $"  fixed cost of a round        {(run.Elapsed - baseline.Wall).TotalMilliseconds / plan.Rounds,7:F0} ms"));
            Console.WriteLine(string.Create(culture, $"  bytes on the ledger {report.LedgerBytes:N0}, off it {report.BlobBytes:N0}; {report.Blocks} blocks, {report.Entries} entries, {report.Certificates} certificates, {report.Receipts} receipts"));
            Console.WriteLine();

            static void Row(string name, Evaluation result) => Console.WriteLine($"  {name,-46} {Percent(result.Accuracy),8} {Area(result.Auc),6}");
        }

        public override void Verified(ExportReport report, string export, string policy, TimeSpan elapsed)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{report.Entries} entries, {report.Rounds} rounds, every model recomputed from the committed updates: {report.Model}"));
            foreach (var item in report.FalseWork) Console.WriteLine($"warning: {item}");
            Console.WriteLine($"check it yourself: ./run verify {export} --trust {policy}");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"VERIFIED in {elapsed.TotalSeconds:F1} s"));
        }

        private static string Line(DemoRound round) => string.Create(CultureInfo.InvariantCulture,
            $"round {round.Number,2}  accuracy {Percent(round.Result.Accuracy)}  AUC {Area(round.Result.Auc)}  updates {round.Updates}/{round.Participants}  ledger #{round.Index}  attested by {string.Join(' ', round.Signers)}  {(round.Spent is { } spent ? $"ε {spent:F2}  " : "")}{round.At.TotalSeconds:F1} s");
    }

    private sealed class JsonOutput : DemoOutput
    {
        public override void Say(string text) => Console.WriteLine(JsonLine.Of(("say", text)));

        public override async Task Rounds(IAsyncEnumerable<DemoRound> rounds, int count)
        {
            await foreach (var round in rounds)
                Console.WriteLine(JsonLine.Of(("round", round.Number), ("accuracy", round.Result.Accuracy), ("auc", round.Result.Auc), ("updates", round.Updates), ("index", round.Index), ("attesters", round.Signers), ("epsilon", round.Spent), ("seconds", round.At.TotalSeconds)));
        }

        public override void Table(DemoPlan plan, DemoRun run, Baseline baseline, TimeSpan processor, ExportReport report, PlainRun? plain)
        {
            foreach (var (name, result) in baseline.Alone) Row($"{name} alone", result);
            Row("federated", run.Final!);
            Row("federated without ledger", baseline.Federated);
            Row("pooled", baseline.Pooled);
            Console.WriteLine(JsonLine.Of(("seconds", run.Elapsed.TotalSeconds), ("cpuSeconds", processor.TotalSeconds), ("baselineSeconds", baseline.Wall.TotalSeconds), ("baselineCpuSeconds", baseline.Processor.TotalSeconds), ("plainSeconds", plain?.Wall.TotalSeconds), ("plainCpuSeconds", plain?.Processor.TotalSeconds), ("ledgerBytes", report.LedgerBytes), ("blobBytes", report.BlobBytes)));

            static void Row(string name, Evaluation result) => Console.WriteLine(JsonLine.Of(("model", name), ("accuracy", result.Accuracy), ("auc", result.Auc)));
        }

        public override void Verified(ExportReport report, string export, string policy, TimeSpan elapsed) =>
            Console.WriteLine(JsonLine.Of(("verified", true), ("model", report.Model?.ToString()), ("blocks", report.Blocks), ("entries", report.Entries), ("certificates", report.Certificates), ("receipts", report.Receipts), ("rounds", report.Rounds), ("warnings", report.FalseWork.Select(item => item.ToString())), ("export", export), ("policy", policy), ("seconds", elapsed.TotalSeconds)));
    }
}
