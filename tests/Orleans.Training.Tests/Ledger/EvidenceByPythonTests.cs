using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;
using Orleans.Training.Tests.Foreign;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Ledger;

/// <summary>A program written after the page in another language names the same keys for every kind of evidence, and refuses what we refuse.</summary>
public sealed class EvidenceByPythonTests(ITestOutputHelper output)
{
    [Fact]
    public void Evidence_IsProvenAndRefusedAlike_ByPythonAndByUs()
    {
        using var folder = new TemporaryFolder();
        var wholes = new Dictionary<string, byte[]>
        {
            ["votes"] = EvidenceTests.Of(EvidenceTests.Notarize(1), EvidenceTests.Notarize(2)).Encode(),
            ["null"] = EvidenceTests.Of(Vote.Nullify(1, 7), Vote.Finalize(1, 7, Protocol.Digest.Of([1]))).Encode(),
            ["nothing"] = EvidenceTests.Of(EvidenceTests.Notarize(1), EvidenceTests.Notarize(2, view: 8)).Encode(),
            ["fork"] = ForkProofTests.Example.Encode(),
            ["size"] = SplitViewTests.SameSize.Encode(),
            ["tree"] = SplitViewTests.OtherSize.Encode(),
            ["proofless"] = (SplitViewTests.OtherSize with { Proof = [] }).Encode(),
        };
        var cases = new Dictionary<string, string>();
        foreach (var (name, whole) in wholes)
        {
            Add(name, whole);
            for (var at = 0; at < whole.Length; at++)
            {
                var changed = whole.ToArray();
                changed[at] ^= (byte)(1 << at % 8);
                Add($"{name}-{at}", changed);
            }
        }

        var python = ForeignTool.Python(folder.Path, "evidence.py");
        Assert.Equal(cases.Count, python.Count);
        foreach (var (name, ours) in cases) Assert.True(ours == (python[name].StartsWith("proven", StringComparison.Ordinal) ? python[name] : "refused"), $"{name}: Python says {python[name]}, we say {ours}");
        var proven = cases.Count(item => item.Value != "refused");
        output.WriteLine($"{cases.Count} files, {proven} proven");
        Assert.Equal(["fork", "null", "size", "tree", "votes"], cases.Where(item => item.Value != "refused" && wholes.ContainsKey(item.Key)).Select(item => item.Key).Order(StringComparer.Ordinal));

        void Add(string name, byte[] bytes)
        {
            File.WriteAllBytes(folder[name + ".evidence"], bytes);
            cases.Add(name, Ours(bytes));
        }
    }

    private static string Ours(byte[] bytes)
    {
        Protocol.PublicKey[] keys =
            Evidence.TryParse(bytes, out var evidence) ? evidence!.Check() is FaultKind.None ? [] : [evidence.Key]
            : ForkProof.TryParse(bytes, out var fork) ? fork!.Check() is FaultKind.None ? [] : [.. fork.Signers.Select(signer => signer.Key)]
            : SplitView.TryParse(bytes, out var view) && view!.Check() is not FaultKind.None ? [view.Key.Key] : [];
        return keys.Length == 0 ? "refused" : $"proven {string.Join(' ', keys.Select(key => Convert.ToHexStringLower(key.Bytes.Span)))}";
    }
}
