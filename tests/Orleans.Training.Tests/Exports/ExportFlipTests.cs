using System.Collections.Concurrent;
using Orleans.Training.Client.Exports;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Exports;

/// <summary>Every byte of every file of an export counts.</summary>
public sealed class ExportFlipTests(ITestOutputHelper output)
{
    [Fact]
    public void EveryByteFlipped_InEveryFile_IsFoundInThatFile()
    {
        var export = new TestExport(new TestExportPlan { Rounds = 1, Trainers = 1 });
        // One receipt of a block's own leaf is enough: they have the form of all others.
        foreach (var leaf in export.Shard.Blocks.Skip(1)) export.Files.Remove(ExportLayout.Receipt(LedgerState.Of(leaf).FirstIndex));
        var remembered = new ConcurrentDictionary<Digest, bool>();
        export.Verify(signatures: Remember);
        var flips = export.Files.SelectMany(file => Enumerable.Range(0, file.Value.Length).Select(at => (File: file.Key, At: at))).ToArray();
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var found = new ConcurrentDictionary<ExportFault, int>();
        Parallel.ForEach(Partitioner.Create(0, flips.Length, 256), range =>
        {
            for (var i = range.Item1; i < range.Item2; i++)
            {
                var (file, at) = flips[i];
                var fault = FaultOf(new Flipped(export, file, at, (byte)(1 << (at * 5 + at / 8) % 8)), export.Policy, Remember, out var named);
                Assert.True(fault is not null, $"a bit of byte {at} of {file} can be flipped unnoticed");
                // Another genesis is another chain, which shows in the first block.
                Assert.True(named == file || (file == ExportLayout.Genesis && named == ExportLayout.Block(1)), $"a bit of byte {at} of {file} was flipped, but {named} is blamed: {fault}");
                found.AddOrUpdate(fault.Value, 1, (_, count) => count + 1);
            }
        });
        output.WriteLine($"{flips.Length} bytes of {export.Files.Count} files flipped in {watch.Elapsed.TotalSeconds:F0} s; {string.Join(", ", found.OrderBy(pair => pair.Key).Select(pair => $"{pair.Key} {pair.Value}"))}");
        Assert.Equal(flips.Length, found.Values.Sum());
        Assert.True(flips.Length > 15_000);

        // The same transactions are verified again and again: what libsodium said of a signature once, it says always.
        bool Remember(PublicKey key, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
        {
            var name = Digest.Of([.. key.Bytes.Span, .. signature, .. message]);
            if (remembered.TryGetValue(name, out var good)) return good;
            good = Signatures.Verify(key, message, signature);
            if (good) remembered[name] = true;
            return good;
        }
    }

    [Fact]
    public void OneByteFlippedOnDisk_IsFoundInThatFile()
    {
        using var folder = new TemporaryFolder();
        var export = new TestExport();
        export.WriteTo(folder.Path);
        foreach (var (file, content) in export.Files)
        {
            var changed = content.ToArray();
            changed[content.Length * 2 / 3] ^= 1;
            File.WriteAllBytes(folder[file], changed);
            var named = Assert.Throws<ExportException>(() => ExportVerifier.Verify(folder.Path, export.Policy)).File;
            Assert.True(named == file || file == ExportLayout.Genesis);
            File.WriteAllBytes(folder[file], content);
        }

        Assert.Equal(2, ExportVerifier.Verify(folder.Path, export.Policy).Rounds);
    }

    private static ExportFault? FaultOf(IExportFiles files, TrustPolicy policy, SignatureCheck signatures, out string file)
    {
        file = "";
        try
        {
            ExportVerifier.Verify(files, policy, signatures);
            return null;
        }
        catch (ExportException exception)
        {
            file = exception.File;
            return exception.Fault;
        }
    }

    private sealed class Flipped(TestExport export, string flipped, int at, byte mask) : IExportFiles
    {
        public IEnumerable<string> Names => export.Names;

        public long Length(string file) => export.Length(file);

        public byte[] Read(string file)
        {
            if (file != flipped) return export.Read(file);
            var changed = export.Read(file).ToArray();
            changed[at] ^= mask;
            return changed;
        }
    }
}
