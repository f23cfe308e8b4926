using System.Diagnostics;
using System.Globalization;

namespace Orleans.Training.Simulation;

/// <summary>./run simulate [--seeds N] [--from S] [--seed S] [--mutant NAME] [--mutants] [--over-budget] [--ledger]: runs seeds of the correct core, replays one with its trace, or shows in which seed each mutant dies first, or lets one more lie than can be borne and says whom the journals name.</summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        var seeds = 200UL;
        var from = 1UL;
        ulong? one = null;
        var (hunts, overBudget, onLedger) = (false, false, false);
        var mutant = Mutant.None;
        for (var i = 0; i < arguments.Length; i++)
        {
            var value = i + 1 < arguments.Length ? arguments[i + 1] : "";
            switch (arguments[i])
            {
                case "--seeds" when ulong.TryParse(value, CultureInfo.InvariantCulture, out seeds): i++; break;
                case "--from" when ulong.TryParse(value, CultureInfo.InvariantCulture, out from): i++; break;
                case "--seed" when ulong.TryParse(value, CultureInfo.InvariantCulture, out var seed): one = seed; i++; break;
                case "--mutant" when Mutant.All.FirstOrDefault(known => known.Name == value) is { } known: mutant = known; i++; break;
                case "--mutants": hunts = true; break;
                case "--over-budget": overBudget = true; break;
                case "--ledger": onLedger = true; break;
                default:
                    Console.Error.WriteLine($"usage: simulate [--seeds N] [--from S] [--seed S] [--mutants] [--over-budget] [--ledger] [--mutant {string.Join('|', Mutant.All.Select(known => known.Name))}]");
                    return 2;
            }
        }

        return overBudget ? Fork(one ?? from, one is null ? seeds : 1, one is null ? null : Console.WriteLine) : hunts ? Hunt(from, seeds, mutant) : one is { } replayed ? Replay(replayed, mutant, onLedger) : Batch(from, seeds, mutant, onLedger);
    }

    private static int Replay(ulong seed, Mutant mutant, bool onLedger)
    {
        var failure = Seed.Run(seed, mutant, out _, Console.WriteLine, onLedger);
        Console.WriteLine(failure is null ? $"seed {seed}: good" : $"seed {seed}: {failure}");
        return failure is null ? 0 : 1;
    }

    private static int Fork(ulong from, ulong seeds, Action<string>? trace)
    {
        var clock = Stopwatch.StartNew();
        int failures = 0, forks = 0, proofs = 0, named = 0, bytes = 0;
        for (var seed = from; seed < from + seeds; seed++)
        {
            try
            {
                var verdict = Accountability.Run(seed, trace);
                if (verdict.Forked) forks++;
                if (verdict.Proof is not { } proof) continue;
                (proofs, named, bytes) = (proofs + 1, named + proof.Signers.Count, Math.Max(bytes, proof.Encode().Length));
            }
            catch (Exception failure)
            {
                failures++;
                Console.WriteLine($"seed {seed}: {failure.Message} (replay with --over-budget --seed {seed})");
            }
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{seeds} seeds with more liars than can be borne, {failures} failed, {seeds / clock.Elapsed.TotalSeconds:F1} seeds/s; {forks} forks, {proofs} proofs that name {named} liars and nobody else, at most {bytes} bytes each"));
        return failures == 0 ? 0 : 1;
    }

    private static int Hunt(ulong from, ulong seeds, Mutant only)
    {
        var survivors = 0;
        foreach (var mutant in Mutant.All.Where(mutant => only == Mutant.None || mutant == only))
        {
            string? failure = null;
            var seed = from;
            for (; seed < from + seeds; seed++)
            {
                if ((failure = Seed.Run(seed, mutant, out _)) is not null) break;
            }

            if (failure is null) survivors++;
            Console.WriteLine(failure is null ? $"{mutant.Name,-36} survives {seeds} seeds" : $"{mutant.Name,-36} dies in seed {seed}: {failure.Split('\n')[0]}");
        }

        Console.WriteLine($"{Mutant.All.Count} mutants, {survivors} survived");
        return survivors == 0 ? 0 : 1;
    }

    private static int Batch(ulong from, ulong seeds, Mutant mutant, bool onLedger)
    {
        var clock = Stopwatch.StartNew();
        var failures = 0;
        long commits = 0, crashes = 0, virtualMs = 0, convicted = 0, liars = 0, torn = 0, refused = 0, forgotten = 0, noticed = 0, fenced = 0, snapshots = 0, expelled = 0, joins = 0, filled = 0, refusals = 0;
        var recoveries = new List<long>();
        for (var seed = from; seed < from + seeds; seed++)
        {
            if (Seed.Run(seed, mutant, out var world, onLedger: onLedger) is { } failure)
            {
                failures++;
                Console.WriteLine($"seed {seed}: {failure} (replay with --seed {seed}{(onLedger ? " --ledger" : "")}{(mutant == Mutant.None ? "" : $" --mutant {mutant.Name}")})");
            }

            recoveries.Add(world.RecoveryMs);
            commits += world.Commits;
            crashes += world.Crashes;
            virtualMs += world.ElapsedMs;
            (convicted, liars) = (convicted + world.Convicted, liars + world.Liars);
            (torn, refused) = (torn + world.Recoveries.Torn, refused + world.Recoveries.Refused);
            (forgotten, noticed, fenced) = (forgotten + world.Forgotten, noticed + world.GuardsLost, fenced + world.Fenced);
            snapshots += world.FromSnapshots;
            if (world.Watch is { } watch) (expelled, joins, filled, refusals) = (expelled + watch.Convicted, joins + watch.Joins, filled + watch.Filled, refusals + watch.Refusals);
        }

        recoveries.Sort();
        var seconds = clock.Elapsed.TotalSeconds;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{seeds} seeds, {failures} failed, {seeds / seconds:F1} seeds/s, {commits} commits, {crashes} crashes, {convicted} of {liars} liars and twins named, {torn} torn journals mended, {refused} damaged ones refused, {forgotten} disks forgot votes and {noticed} validators noticed, {fenced} activations fenced off, {snapshots} starts from a snapshot, {virtualMs / 1000.0 / seconds:F0}x real time; all final after the last fault: p50 {recoveries[recoveries.Count / 2]} ms, p90 {recoveries[recoveries.Count * 9 / 10]} ms, max {recoveries[^1]} ms"));
        if (onLedger) Console.WriteLine($"on the real ledger: {expelled} seats convicted, {joins} began at an attested snapshot, {filled} pasts fetched and executed, {refusals} times wrong bytes refused");
        return failures == 0 ? 0 : 1;
    }
}

/// <summary>One seed, and what went wrong in it.</summary>
internal static class Seed
{
    public static string? Run(ulong seed, Mutant mutant, out World world, Action<string>? trace = null, bool onLedger = false)
    {
        world = new World(seed, mutant, trace, onLedger: onLedger || mutant.OnLedger);
        try
        {
            world.Run();
            return null;
        }
        catch (InvariantException violated)
        {
            return violated.Message;
        }
        catch (Exception broken) when (trace is null)
        {
            return broken.ToString();
        }
    }
}
