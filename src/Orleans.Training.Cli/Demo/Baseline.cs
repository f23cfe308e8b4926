using System.Diagnostics;
using System.Runtime.CompilerServices;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Trainer;

namespace Orleans.Training.Cli.Demo;

/// <summary>What the same training gives without a ledger: federated in this process with the same trainer code and as many threads, each participant alone, and all data in one place.</summary>
internal sealed record Baseline(Evaluation Federated, TimeSpan Wall, TimeSpan Processor, IReadOnlyList<(string Name, Evaluation Result)> Alone, Evaluation Pooled)
{
    /// <summary>Only the rounds of <see cref="Run"/>: wall and processor time from the start to the end of each.</summary>
    public static async Task<IReadOnlyList<(TimeSpan Wall, TimeSpan Processor)>> Time(DemoPlan plan, string root, int threads, CancellationToken cancellationToken)
    {
        var rows = RowsOf(plan, root);
        using var pool = new TrainerPool(threads);
        using var process = Process.GetCurrentProcess();
        var times = new List<(TimeSpan, TimeSpan)>();
        var (before, watch) = (process.TotalProcessorTime, Stopwatch.StartNew());
        await foreach (var _ in TrainTogether(plan, rows, InitialOf(plan), pool, cancellationToken))
        {
            process.Refresh();
            times.Add((watch.Elapsed, process.TotalProcessorTime - before));
        }

        return times;
    }

    public static async Task<Baseline> Run(DemoPlan plan, string root, int threads, CancellationToken cancellationToken)
    {
        var rows = RowsOf(plan, root);
        var test = plan.TestRows(root);
        var initial = InitialOf(plan);
        using var pool = new TrainerPool(threads);
        // The first operation of the native library costs a second or so; the silos have paid that too.
        await pool.Run(stop => LocalTrainer.Evaluate(plan.Spec, initial, test, cancellationToken: stop), cancellationToken);

        using var process = Process.GetCurrentProcess();
        var (before, watch) = (process.TotalProcessorTime, Stopwatch.StartNew());
        var model = initial;
        await foreach (var next in TrainTogether(plan, rows, initial, pool, cancellationToken)) model = next;
        watch.Stop();
        process.Refresh();
        var processor = process.TotalProcessorTime - before;

        var single = plan.Settings with { Epochs = plan.Training.LocalEpochs * plan.Rounds, Proximal = 0, IsNormalised = false, IsControlled = false, Private = null };
        var alone = new List<(string, Evaluation)>();
        var participants = plan.Participants.Order().ToArray();
        for (var i = 0; i < rows.Length && rows.Length <= DemoPlan.Seats; i++) alone.Add((participants[i].Name, await Single(plan, initial, rows[i], test, single, pool, cancellationToken)));
        var pooled = await Single(plan, initial, LabelledData.Join(rows), test, single, pool, cancellationToken);
        return new Baseline(LocalTrainer.Evaluate(plan.Spec, model, test, cancellationToken: cancellationToken), watch.Elapsed, processor, alone, pooled);
    }

    private static LabelledData[] RowsOf(DemoPlan plan, string root) => [.. plan.Participants.Order().Select(participant => LocalDataset.Load(root, participant, plan.Name).Train)];

    private static float[] InitialOf(DemoPlan plan) => InitialModel.Create(plan.Spec, plan.Agreement(masks: false).Seed.ToArray());

    // The model after every round.
    private static async IAsyncEnumerable<float[]> TrainTogether(DemoPlan plan, LabelledData[] rows, float[] initial, TrainerPool pool, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var federation = new LocalFederation(plan.Spec, initial, rows, plan.Settings, plan.Agreement(masks: false).FixedPoint);
        for (var round = 1; round <= plan.Rounds; round++)
        {
            federation.Advance(await Task.WhenAll(rows.Select((_, participant) => pool.Run(stop => federation.Train(participant, stop), cancellationToken))));
            yield return federation.Model;
        }
    }

    private static Task<Evaluation> Single(DemoPlan plan, float[] initial, LabelledData rows, LabelledData test, TrainingSettings settings, TrainerPool pool, CancellationToken cancellationToken) => pool.Run(stop =>
    {
        var model = FederatedAveraging.Run(plan.Spec, initial, [rows], settings, 1, cancellationToken: stop);
        return LocalTrainer.Evaluate(plan.Spec, model, test, cancellationToken: stop);
    }, cancellationToken);
}
