using System.Text;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// Watches other logs: cosigns a checkpoint that continues the one it cosigned before, and nothing else (c2sp.org/tlog-witness). Its key is a fourth one: a cosignature
/// here says only that the log has not been rewritten, not that what stands in it is final. What it cosigned last is durable before anybody learns of it.
/// </summary>
/// <param name="key">The witness's name and key.</param>
/// <param name="signer">The same key.</param>
/// <param name="logs">The logs that it watches.</param>
/// <param name="folder">Where it keeps its record: for each origin a note, named by the SHA-256 of the origin.</param>
/// <param name="time">The clock.</param>
public sealed class LogWitness(NoteKey key, ISigner signer, IReadOnlyList<NoteKey> logs, string folder, TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1);

    /// <summary>The name under which logs know this witness.</summary>
    public NoteKey Key => key;

    /// <summary>Takes a request. The body is the cosignature when it is granted, the size that is known when the sizes conflict, and else empty.</summary>
    /// <exception cref="OperationalException">OT-7070: the record is damaged.</exception>
    public async Task<(WitnessVerdict Verdict, string Body)> Add(string text, CancellationToken cancellationToken)
    {
        if (!WitnessRequest.TryParse(text, out var request)) return (WitnessVerdict.Malformed, "");
        await _one.WaitAsync(cancellationToken);
        try
        {
            Checkpoint? known = null;
            var verdict = request!.Judge(logs, origin => known = Load(origin), out var signed);
            if (verdict is WitnessVerdict.Conflict) return (verdict, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{known?.Size ?? 0}\n"));
            if (verdict is not WitnessVerdict.Cosign) return (verdict, "");
            var seconds = (ulong)time.GetUtcNow().ToUnixTimeSeconds();
            var line = SignedNote.Cosignature(key, seconds, await signer.Sign(SignedNote.CosignatureMessage(request.Note.Text, seconds), cancellationToken));
            Save(request.Note.Text, new SignedNote(request.Note.Text, [.. signed, line]));
            return (verdict, line.ToString());
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>The newest checkpoint that was cosigned for an origin, with the log's lines and the witness's; null for none.</summary>
    /// <param name="originHash">SHA-256 of the origin.</param>
    public string? Latest(Digest originHash) => File.Exists(PathOf(originHash)) ? File.ReadAllText(PathOf(originHash)) : null;

    public void Dispose() => _one.Dispose();

    private Checkpoint? Load(string origin)
    {
        var path = PathOf(Digest.Of(Encoding.UTF8.GetBytes(origin)));
        if (!File.Exists(path)) return null;
        // Whatever it is that stands there, it must be what this witness has signed: beginning anew would let the log be rewritten.
        return SignedNote.TryParse(File.ReadAllText(path), out var note) && note!.IsSignedBy(key) && Checkpoint.TryParseExtended(note.Text, out var checkpoint) && checkpoint!.Origin == origin
            ? checkpoint
            : throw new OperationalException("OT-7070", $"The witness's record {path} is damaged: restore it from the newest checkpoint with this witness's line that anybody has; it signs nothing for this log until then.");
    }

    private void Save(string text, SignedNote note)
    {
        DurableFiles.CreateFolder(folder);
        var path = PathOf(Digest.Of(Encoding.UTF8.GetBytes(text[..text.IndexOf('\n', StringComparison.Ordinal)])));
        DurableFiles.Write(path, Encoding.UTF8.GetBytes(note.ToString()));
    }

    private string PathOf(Digest originHash) => Path.Combine(folder, $"{originHash}.note");
}
