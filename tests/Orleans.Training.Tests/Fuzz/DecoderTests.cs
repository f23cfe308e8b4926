using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Fuzz;

/// <summary>Bytes from strangers are refused, or mean exactly one thing; they never throw and never take long.</summary>
public sealed class DecoderTests(ITestOutputHelper output)
{
    private const ulong Seed = 20_261_122;
    private const int Cases = 1_000_000;
    private const int CasesPerRun = 2_000;

    // Far above what any input takes on a busy machine, far below what a hang takes.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void EveryDecoder_RefusesOrReadsCanonically_WhateverTheBytes()
    {
        var runs = (Cases / (CasesPerRun * Decoder.All.Count)) + 1;
        var tallies = new ConcurrentDictionary<string, Tally>();
        output.WriteLine($"seed {Seed}, {Decoder.All.Count} decoders, {runs} runs of {CasesPerRun} cases each");
        var watch = Stopwatch.StartNew();
        Parallel.ForEach(Decoder.All.SelectMany(decoder => Enumerable.Range(0, runs).Select(run => (decoder, run))), work =>
        {
            var tally = Run(work.decoder, Seed + (ulong)work.run);
            tallies.AddOrUpdate(work.decoder.Name, tally, (_, sum) => sum.Add(tally));
        });
        foreach (var (name, tally) in tallies.OrderBy(pair => pair.Key, StringComparer.Ordinal)) output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {tally.Accepted} accepted, {tally.Refused} refused, slowest {tally.Slowest.TotalMilliseconds:F0} ms"));
        var cases = tallies.Values.Sum(tally => tally.Accepted + tally.Refused);
        output.WriteLine($"{cases} cases in {watch.Elapsed.TotalSeconds:F0} s");
        Assert.True(cases >= Cases);
        Assert.All(tallies, pair => Assert.True(pair.Value is { Accepted: > 0, Refused: > 0 } && pair.Value.Slowest < Patience, $"{pair.Key}: {pair.Value}"));
    }

    [Fact]
    public void EveryDecoder_ReadsItsExamples()
    {
        foreach (var decoder in Decoder.All)
        {
            Assert.NotEmpty(decoder.Valid);
            foreach (var valid in decoder.Valid) Assert.True(decoder.ReadAndWrite(valid)?.AsSpan().SequenceEqual(valid), $"{decoder.Name}: {Convert.ToHexString(valid)}");
        }
    }

    [Fact]
    public void EveryInputThatFuzzingKept_IsRefused_OrReadCanonically()
    {
        var corpus = Path.Combine(Tidy.Repository.Root, "tests", "Orleans.Training.Tests", "Fuzz", "Corpus");
        var (files, accepted) = (0, 0);
        foreach (var decoder in Decoder.All)
        {
            var folder = Path.Combine(corpus, decoder.Folder);
            Assert.True(Directory.Exists(folder), $"there is no corpus of {decoder.Name}: ./run fuzz --keep {decoder.Folder}");
            foreach (var file in Directory.GetFiles(folder))
            {
                var bytes = File.ReadAllBytes(file);
                var written = decoder.ReadAndWrite(bytes);
                Assert.True(written is null || written.AsSpan().SequenceEqual(bytes), $"{decoder.Name} reads two encodings of one thing: {file}");
                (files, accepted) = (files + 1, accepted + (written is null ? 0 : 1));
            }
        }

        output.WriteLine($"{files} files, of which {accepted} are accepted");
        Assert.True(files > Decoder.All.Count && accepted > 0);
        Assert.Equal(Decoder.All.Select(decoder => decoder.Folder).Distinct().Order(StringComparer.Ordinal), Directory.GetDirectories(corpus).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Policy_IsAskedInTime_HoweverItsGroupsAreNested()
    {
        // Every group is a member of the next two: without remembering answers the last has 2^200 of them to ask.
        var origin = new NoteKey("ledger.example/x", NoteKeyKind.Log, TestShard.Key("x").Public);
        var text = $"log {origin}\nwitness w {new NoteKey("w", NoteKeyKind.Cosignature, TestShard.Key("w").Public)}\ngroup a0 any w\ngroup b0 any w\n"
            + string.Concat(Enumerable.Range(1, 200).Select(i => $"group a{i} 2 a{i - 1} b{i - 1}\ngroup b{i} 2 b{i - 1} a{i - 1}\n")) + "quorum a200\n";
        Assert.True(TrustPolicy.TryParse(text, out var policy, out var problem), problem);
        var checkpoint = new Checkpoint("ledger.example/x", 0, MerkleHash.Empty);
        var log = new NoteSignature(origin.Name, origin.Id, TestShard.Key("x").Sign(SignedNote.LogMessage(checkpoint.Text)));
        Assert.Equal(ReceiptCheck.QuorumMissing, policy!.Accepts(new SignedNote(checkpoint.Text, [log])));
    }

    [Fact]
    public void Note_WithHalfACharacter_IsNoNote()
    {
        var line = new NoteSignature("x", 1, new byte[64]);
        Assert.True(SignedNote.TryParse($"\ud83d\ude00\n\n{line}", out _));
        Assert.False(SignedNote.TryParse($"\ud83d\n\n{line}", out _));
        Assert.False(SignedNote.TryParse($"\ude00\ud83d\n\n{line}", out _));
    }

    private static Tally Run(Decoder decoder, ulong seed)
    {
        var mutator = new Mutator(seed);
        var tally = new Tally(0, 0, TimeSpan.Zero);
        for (var number = 0; number < CasesPerRun; number++)
        {
            var input = mutator.Next(decoder.Valid);
            var watch = Stopwatch.GetTimestamp();
            byte[]? written;
            try
            {
                written = decoder.ReadAndWrite(input);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"{decoder.Name} throws, seed {seed}, case {number}: {Convert.ToHexString(input)}", exception);
            }

            var elapsed = Stopwatch.GetElapsedTime(watch);
            Assert.True(written is null || written.AsSpan().SequenceEqual(input), $"{decoder.Name} reads two encodings of one thing, seed {seed}, case {number}: {Convert.ToHexString(input)} is written as {(written is null ? "" : Convert.ToHexString(written))}");
            tally = tally.Add(new Tally(written is null ? 0 : 1, written is null ? 1 : 0, elapsed));
        }

        return tally;
    }

    private sealed record Tally(long Accepted, long Refused, TimeSpan Slowest)
    {
        public Tally Add(Tally other) => new(Accepted + other.Accepted, Refused + other.Refused, Slowest > other.Slowest ? Slowest : other.Slowest);
    }
}
