using System.Globalization;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>What a witness answers to a checkpoint; the number is the HTTP status that c2sp.org/tlog-witness asks for.</summary>
public enum WitnessVerdict
{
    /// <summary>It continues what the witness knows: to be cosigned.</summary>
    Cosign = 200,
    /// <summary>No request, or an old size above the checkpoint's.</summary>
    Malformed = 400,
    /// <summary>No good signature of a trusted key of this log, or a bad one in its name.</summary>
    NotSigned = 403,
    /// <summary>A log that this witness does not watch.</summary>
    UnknownLog = 404,
    /// <summary>The old size is not the size of the newest checkpoint that the witness cosigned.</summary>
    Conflict = 409,
    /// <summary>The checkpoint is not shown to continue the newest that was cosigned.</summary>
    Inconsistent = 422,
}

/// <summary>
/// A request to a witness (c2sp.org/tlog-witness, "add-checkpoint"): the size of the checkpoint that it last cosigned, the proof that the new one continues it, and the new one.
/// </summary>
public sealed record WitnessRequest(long OldSize, IReadOnlyList<Digest> Proof, SignedNote Note)
{
    /// <summary>Bytes of a request.</summary>
    public const int MaximumBytes = 128 * 1024;

    private const int MaximumHashes = 63;

    /// <summary>Parses a request.</summary>
    public static bool TryParse(string text, out WitnessRequest? request)
    {
        request = null;
        var end = text.IndexOf("\n\n", StringComparison.Ordinal);
        if (end < 0 || !SignedNote.TryParse(text[(end + 2)..], out var note)) return false;
        var lines = text[..end].Split('\n');
        if (lines.Length > MaximumHashes + 1 || !lines[0].StartsWith("old ", StringComparison.Ordinal) || !Checkpoint.TryParseSize(lines[0][4..], out var oldSize)) return false;
        var proof = new Digest[lines.Length - 1];
        for (var i = 0; i < proof.Length; i++)
        {
            if (!SignedNote.TryBase64(lines[i + 1], Digest.Size, out var hash)) return false;
            proof[i] = Digest.From(hash);
        }

        request = new WitnessRequest(oldSize, proof, note!);
        return true;
    }

    /// <summary>Judges the request of a log.</summary>
    /// <param name="logs">The keys of the logs that are watched; a log may have several.</param>
    /// <param name="latest">The newest checkpoint of this origin that was cosigned; null for none.</param>
    /// <param name="signed">The lines of trusted keys, when the verdict is to cosign.</param>
    public WitnessVerdict Judge(IEnumerable<NoteKey> logs, Func<string, Checkpoint?> latest, out IReadOnlyList<NoteSignature> signed)
    {
        signed = [];
        if (!Checkpoint.TryParseExtended(Note.Text, out var checkpoint)) return WitnessVerdict.Malformed;
        var trusted = logs.Where(key => key.Name == checkpoint!.Origin).ToArray();
        if (trusted.Length == 0) return WitnessVerdict.UnknownLog;
        var lines = Note.Signatures.Select(line => (Line: line, Key: trusted.FirstOrDefault(key => key.Name == line.Name && key.Id == line.KeyId))).Where(item => item.Key is not null).ToArray();
        if (lines.Length == 0 || lines.Any(item => !SignedNote.Verify(Note.Text, item.Key!, item.Line))) return WitnessVerdict.NotSigned;
        if (OldSize > checkpoint!.Size) return WitnessVerdict.Malformed;
        var known = latest(checkpoint.Origin);
        if (OldSize != (known?.Size ?? 0)) return WitnessVerdict.Conflict;
        // The empty tree is the hash of nothing (RFC 6962 §2.1), and everything continues it.
        var continues = checkpoint.Size == 0 ? Proof.Count == 0 && checkpoint.Root == MerkleHash.Empty
            : OldSize == 0 ? Proof.Count == 0
            : MerkleProof.VerifyConsistency(OldSize, checkpoint.Size, Proof, known!.Root, checkpoint.Root);
        if (!continues) return WitnessVerdict.Inconsistent;
        signed = [.. lines.Select(item => item.Line)];
        return WitnessVerdict.Cosign;
    }

    /// <summary>The request.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"old {OldSize}\n{string.Concat(Proof.Select(hash => Convert.ToBase64String(hash.ToArray()) + "\n"))}\n{Note}");
}
