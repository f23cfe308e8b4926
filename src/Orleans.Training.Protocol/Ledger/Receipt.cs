using System.Globalization;
using System.Text;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// Proof that a leaf stands in a shard's tree under a cosigned checkpoint: a c2sp.org/tlog-proof@v1, verifiable offline with anyone's tools.
/// The leaf itself travels in the <c>extra</c> line; it is proven by its hash and otherwise untrusted.
/// </summary>
public sealed record Receipt(ReadOnlyMemory<byte> Leaf, long Index, IReadOnlyList<Digest> Path, SignedNote Note)
{
    /// <summary>The first line.</summary>
    public const string Header = "c2sp.org/tlog-proof@v1";

    private const int MaxCharacters = 256 * 1024;

    /// <summary>Parses the file's text.</summary>
    public static bool TryParse(string text, out Receipt? receipt)
    {
        receipt = null;
        if (text.Length > MaxCharacters) return false;
        var split = text.IndexOf("\n\n", StringComparison.Ordinal);
        if (split < 0) return false;
        var lines = text[..split].Split('\n');
        if (lines.Length is < 3 or > 66 || lines[0] != Header || !lines[1].StartsWith("extra ", StringComparison.Ordinal) || !SignedNote.TryBase64(lines[1][6..], null, out var leaf)) return false;
        if (!lines[2].StartsWith("index ", StringComparison.Ordinal) || !long.TryParse(lines[2].AsSpan(6), NumberStyles.None, CultureInfo.InvariantCulture, out var index)) return false;
        if (index.ToString(CultureInfo.InvariantCulture) != lines[2][6..]) return false;
        var path = new List<Digest>();
        foreach (var line in lines[3..])
        {
            if (!SignedNote.TryBase64(line, Digest.Size, out var hash)) return false;
            path.Add(Digest.From(hash));
        }

        if (!SignedNote.TryParse(text[(split + 2)..], out var note)) return false;
        receipt = new Receipt(leaf, index, path, note!);
        return true;
    }

    /// <summary>Checks the leaf against the checkpoint, and the checkpoint against the policy.</summary>
    public ReceiptCheck Verify(TrustPolicy policy)
    {
        var accepted = policy.Accepts(Note);
        if (accepted is not ReceiptCheck.Good) return accepted;
        return Checkpoint.TryParse(Note.Text, out var checkpoint) && MerkleProof.VerifyInclusion(MerkleHash.Leaf(Leaf.Span), Index, checkpoint!.Size, Path, checkpoint.Root)
            ? ReceiptCheck.Good
            : ReceiptCheck.NotIncluded;
    }

    /// <summary>The file's text.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append(Header).Append('\n').Append("extra ").Append(Convert.ToBase64String(Leaf.Span)).Append('\n');
        text.Append(CultureInfo.InvariantCulture, $"index {Index}\n");
        foreach (var hash in Path) text.Append(Convert.ToBase64String(hash.ToArray())).Append('\n');
        return text.Append('\n').Append(Note).ToString();
    }
}

/// <summary>What a receipt's verification found; shown as <c>OT-nnnn</c>.</summary>
public enum ReceiptCheck
{
    /// <summary>Everything holds.</summary>
    Good = 0,
    /// <summary>The note is no checkpoint, or has extension lines.</summary>
    NoCheckpoint = 3001,
    /// <summary>No log of the policy signed the checkpoint.</summary>
    UnknownLog = 3002,
    /// <summary>Fewer trusted cosignatures than the policy's quorum asks for.</summary>
    QuorumMissing = 3003,
    /// <summary>The audit path does not lead from the leaf to the checkpoint's root.</summary>
    NotIncluded = 3004,
}
