using System.Text;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// Cosigns final checkpoints, collects the other seats' lines, and keeps the newest checkpoint that a quorum cosigned (docs/spec/receipt.md). A line
/// for a size that is not final here yet is kept, one a seat, and looked at again. Used by one thread at a time.
/// </summary>
internal sealed class CheckpointKeeper(Genesis genesis, ValidatorSet validators, int seat, ISigner log, ISigner cosign, CommittedChain chain)
{
    private const int OpenSizes = 64;
    private readonly NoteKey _log = new(genesis.Origin, NoteKeyKind.Log, log.PublicKey);
    private readonly NoteKey[] _cosigners = [.. validators.Seats.Select(TrustPolicy.CosignKey)];
    private readonly SortedDictionary<long, NoteSignature?[]> _lines = [];
    private readonly CosignatureMessage?[] _early = new CosignatureMessage?[validators.Count];
    private long _newestSize;

    /// <summary>The newest checkpoint with one log line and a quorum of cosignatures; null before the first.</summary>
    public SignedNote? Newest { get; private set; }

    /// <summary>Cosigns the head, which must be durable; gives what to tell the others.</summary>
    public async ValueTask<CosignatureMessage> Cosign(DateTimeOffset now, CancellationToken cancellationToken)
    {
        var state = LedgerState.Of(chain.Head.Executed);
        var text = new Checkpoint(genesis.Origin, state.Tree.Size, state.Tree.Root).Text;
        var seconds = (ulong)now.ToUnixTimeSeconds();
        var line = SignedNote.Cosignature(_cosigners[seat], seconds, await cosign.Sign(SignedNote.CosignatureMessage(text, seconds), cancellationToken));
        var message = new CosignatureMessage(state.Tree.Size, Encoding.UTF8.GetBytes(line.ToString().TrimEnd('\n')));
        await Add(seat, state.Tree.Size, line, text, cancellationToken);
        for (var i = 0; i < _early.Length; i++)
        {
            if (_early[i] is not { } early || early.TreeSize > state.Tree.Size) continue;
            _early[i] = null;
            await Receive(i, early, cancellationToken);
        }

        return message;
    }

    /// <summary>Takes another seat's line; whatever is not a good signature on our own checkpoint is ignored.</summary>
    public async ValueTask Receive(int from, CosignatureMessage message, CancellationToken cancellationToken)
    {
        if (from == seat || (uint)from >= (uint)_cosigners.Length || message.TreeSize <= _newestSize) return;
        if (chain.RootAt(message.TreeSize) is not { } root)
        {
            if (_early[from] is null || _early[from]!.TreeSize < message.TreeSize) _early[from] = message;
            return;
        }

        var text = new Checkpoint(genesis.Origin, message.TreeSize, root).Text;
        if (!NoteSignature.TryParse(Encoding.UTF8.GetString(message.Line.Span), out var line) || line!.Name != _cosigners[from].Name || line.KeyId != _cosigners[from].Id) return;
        if (SignedNote.Verify(text, _cosigners[from], line)) await Add(from, message.TreeSize, line, text, cancellationToken);
    }

    private async ValueTask Add(int from, long size, NoteSignature line, string text, CancellationToken cancellationToken)
    {
        if (size <= _newestSize) return;
        if (!_lines.TryGetValue(size, out var lines)) _lines[size] = lines = new NoteSignature?[_cosigners.Length];
        lines[from] = line;
        var quorum = validators.Quorum;
        if (lines.Count(one => one is not null) >= quorum)
        {
            var logLine = new NoteSignature(_log.Name, _log.Id, await log.Sign(SignedNote.LogMessage(text), cancellationToken));
            Newest = new SignedNote(text, [logLine, .. lines.Where(one => one is not null).Take(quorum).Select(one => one!)]);
            _newestSize = size;
            foreach (var old in _lines.Keys.Where(key => key <= size).ToArray()) _lines.Remove(old);
        }

        while (_lines.Count > OpenSizes) _lines.Remove(_lines.Keys.First());
    }
}
