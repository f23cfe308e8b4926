namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// Of a journal that is read from its beginning what a validator still needs when it begins at a later final block: guard and last votes, the blocks above, and the certificates from the finalization on that made that block
/// final; and of what is older the last certificates that each seat has signed, so that a seat is shown its highest votes as before. So a journal need not be in memory as a whole.
/// </summary>
/// <param name="from">The block that restoring begins at; null for genesis: then all is kept.</param>
public sealed class JournalTail(Block? from)
{
    private readonly List<JournalRecord> _kept = [];
    private readonly HashSet<Digest> _above = [];
    private readonly Dictionary<VoteKind, JournalRecord> _votes = [];
    private readonly List<(Certificate Certificate, JournalRecord Record)> _certificates = [];
    // The newest by kind of vote and seat.
    private readonly Dictionary<(VoteKind Kind, int Seat), (Certificate Certificate, JournalRecord Record)> _signed = [];
    private JournalRecord? _guard;

    /// <summary>Records read.</summary>
    public long Read { get; private set; }

    /// <summary>Why this validator has believed in the snapshot that its journal goes on from; null for one that goes on from genesis.</summary>
    public SnapshotOffer? Joined { get; private set; }

    /// <summary>Whether the journal holds the block and a finalization of it or of a descendant, or says that this validator has joined there: else it is not this journal's, or the journal has lost it.</summary>
    public bool Reached { get; private set; } = from is null;

    /// <summary>What is to be replayed. Votes and guard come last: an era that they are of has begun by then.</summary>
    public IEnumerable<JournalRecord> Records => _kept.Concat(_votes.OrderBy(pair => pair.Key).Select(pair => pair.Value)).Concat(_guard is { } guard ? [guard] : []);

    /// <summary>Takes the next records.</summary>
    /// <exception cref="InvalidDataException">One is damaged.</exception>
    public void Add(IEnumerable<JournalRecord> records)
    {
        foreach (var record in records)
        {
            Read++;
            if (record.Kind is JournalRecordKind.Joined) Join(record);
            else if (from is null) _kept.Add(record);
            else Add(record, from);
        }
    }

    // Whoever joins has no vote that counts, and needs nothing of what he knew before.
    private void Join(JournalRecord record)
    {
        if (!ConsensusMessage.TryParse(record.Content, out var message) || message is not SnapshotOffer { Snapshot: { } snapshot } offer) throw new InvalidDataException("A record of the journal that says where its validator has joined is damaged.");
        Joined = offer;
        _certificates.Clear();
        Reached = snapshot.Block == from?.Digest;
    }

    private void Add(JournalRecord record, Block first)
    {
        switch (record.Kind)
        {
            case JournalRecordKind.Guard: _guard = record; break;
            case JournalRecordKind.Vote when Vote.TryParse(record.Content, out var vote): _votes[vote.Kind] = record; break;
            case JournalRecordKind.Block when Block.TryParseHeader(record.Content, out var header, out var digest):
                if (digest == first.Digest) _above.Add(digest);
                if (header!.Height <= first.Header.Height) break;
                _above.Add(digest);
                _kept.Add(record);
                break;
            case JournalRecordKind.Certificate or JournalRecordKind.Final when Certificate.TryParse(record.Content, out var certificate):
                if (Reached) _kept.Add(record);
                else Add(certificate!, record);
                break;
            default: throw new InvalidDataException($"A record of kind {record.Kind} in the journal is damaged.");
        }
    }

    // What lies below a finalization is never needed again, but for what it says about each seat's highest votes.
    private void Add(Certificate certificate, JournalRecord record)
    {
        _certificates.Add((certificate, record));
        if (record.Kind is not JournalRecordKind.Final) return;
        Reached = _above.Contains(certificate.Digest);
        var floor = (certificate.Vote.Era, Reached ? certificate.View : certificate.View + 1);
        foreach (var below in _certificates.Where(known => (known.Certificate.Vote.Era, known.Certificate.View).CompareTo(floor) < 0)) Remember(below);
        _certificates.RemoveAll(known => (known.Certificate.Vote.Era, known.Certificate.View).CompareTo(floor) < 0);
        if (!Reached) return;
        var signed = _signed.Values.Where(known => known.Certificate.Vote.Era == certificate.Vote.Era).OrderBy(known => known.Certificate.View).ThenBy(known => known.Certificate.Kind);
        _kept.AddRange(signed.Concat(_certificates).Select(known => known.Record).Distinct());
        _certificates.Clear();
    }

    private void Remember((Certificate Certificate, JournalRecord Record) known)
    {
        for (var seat = 0; seat < Limits.Validators; seat++)
        {
            if (!known.Certificate.SignedBy(seat)) continue;
            var key = (known.Certificate.Kind, seat);
            if (!_signed.TryGetValue(key, out var last) || (last.Certificate.Vote.Era, last.Certificate.View).CompareTo((known.Certificate.Vote.Era, known.Certificate.View)) < 0) _signed[key] = known;
        }
    }
}
