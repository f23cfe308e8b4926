using System.Diagnostics;
using System.Globalization;

namespace Orleans.Training.Simulation;

/// <summary>./run simulate [--seeds N] [--from S] [--seed S] [--mutant NAME]: runs seeds of the correct core, replays one with its trace, or hunts a mutant.</summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        var seeds = 200UL;
        var from = 1UL;
        ulong? one = null;
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
                default:
                    Console.Error.WriteLine($"usage: simulate [--seeds N] [--from S] [--seed S] [--mutant {string.Join('|', Mutant.All.Select(known => known.Name))}]");
                    return 2;
            }
        }

        return one is { } replayed ? Replay(replayed, mutant) : Batch(from, seeds, mutant);
    }

    private static int Replay(ulong seed, Mutant mutant)
    {
        var failure = Seed.Run(seed, mutant, out _, Console.WriteLine);
        Console.WriteLine(failure is null ? $"seed {seed}: good" : $"seed {seed}: {failure}");
        return failure is null ? 0 : 1;
    }

    private static int Batch(ulong from, ulong seeds, Mutant mutant)
    {
        var clock = Stopwatch.StartNew();
        var failures = 0;
        long commits = 0, crashes = 0, virtualMs = 0, convicted = 0, liars = 0;
        var recoveries = new List<long>();
        for (var seed = from; seed < from + seeds; seed++)
        {
            if (Seed.Run(seed, mutant, out var world) is { } failure)
            {
                failures++;
                Console.WriteLine($"seed {seed}: {failure} (replay with --seed {seed}{(mutant == Mutant.None ? "" : $" --mutant {mutant.Name}")})");
            }

            recoveries.Add(world.RecoveryMs);
            commits += world.Commits;
            crashes += world.Crashes;
            virtualMs += world.ElapsedMs;
            (convicted, liars) = (convicted + world.Convicted, liars + world.Liars);
        }

        recoveries.Sort();
        var seconds = clock.Elapsed.TotalSeconds;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{seeds} seeds, {failures} failed, {seeds / seconds:F1} seeds/s, {commits} commits, {crashes} crashes, {convicted} of {liars} liars and twins named, {virtualMs / 1000.0 / seconds:F0}x real time; all final after the last fault: p50 {recoveries[recoveries.Count / 2]} ms, p90 {recoveries[recoveries.Count * 9 / 10]} ms, max {recoveries[^1]} ms"));
        return failures == 0 ? 0 : 1;
    }
}

/// <summary>One seed, and what went wrong in it.</summary>
internal static class Seed
{
    public static string? Run(ulong seed, Mutant mutant, out World world, Action<string>? trace = null)
    {
        world = new World(seed, mutant, trace);
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
