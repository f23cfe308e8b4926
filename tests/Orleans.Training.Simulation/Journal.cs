using System.Runtime.InteropServices;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>What opening a journal gave.</summary>
/// <param name="Owner">The opener's number: the journal takes writes of the last opener only.</param>
/// <param name="Records">All records, or null: the store refuses the journal.</param>
/// <param name="MayPass">A refusal that need not come again: a read went astray, the disk is sound.</param>
internal sealed record JournalOpening(long Owner, IEnumerable<JournalRecord>? Records, bool MayPass);

/// <summary>
/// The journal of one node as the bytes of its segments (docs/spec/store.md). A frame is durable after a sync; a crash keeps a prefix of the others whole and tears the next one. It
/// remembers what was truly written, so that every recovery can be judged: never anything else, nothing less without a damage, no refusal without a damage that it names.
/// </summary>
internal sealed class Journal
{
    private sealed record Frame(int Segment, int Offset, int Length, IReadOnlyList<JournalRecord> Records, byte[] Chain);

    private const int Sector = 512;

    private readonly Chance _chance;
    private readonly Mutant _mutant;
    private readonly string _validator;
    private readonly JournalLayout _layout;
    private readonly int _segmentBytes;
    private readonly List<List<byte>> _segments = [];
    private readonly List<Frame> _frames = [];
    // What stood where something else stands now.
    private readonly Dictionary<(int Segment, int Offset), byte> _changed = [];
    private byte[]? _leftover;
    private int _durable;
    private int _acknowledged;

    public Journal(World world, int node)
    {
        (_chance, _mutant, _validator) = (world.Chance, world.Mutant, $"validator-{node}");
        var salt = new byte[32];
        _chance.Fill(salt);
        _layout = new JournalLayout(_validator, salt);
        _segmentBytes = _chance.Pick([2_000, 16_000, 1 << 30]);
    }

    /// <summary>The number of the last opener.</summary>
    public long Owner { get; private set; }

    /// <summary>Frames so far.</summary>
    public int Written => _frames.Count;

    /// <summary>The last guard that is durable.</summary>
    public VoteGuard? Guard { get; private set; }

    /// <summary>Something is gone that was said to be durable, and no store can know.</summary>
    public bool HasForgotten { get; private set; }

    /// <summary>Recoveries with a torn frame, and refusals of damage.</summary>
    public (int Torn, int Refused) Seen { get; private set; }

    /// <summary>Everything that is durable.</summary>
    public IEnumerable<JournalRecord> Durable => _frames.Take(_durable).SelectMany(frame => frame.Records);

    /// <summary>Appends one frame; false for an opener that is no longer the last.</summary>
    public bool Append(long owner, IReadOnlyList<JournalRecord> writes)
    {
        if (owner != Owner && !_mutant.WithoutFence) return false;
        if (_mutant.Loses is { } lost) writes = [.. writes.Where(record => record.Kind != lost)];
        if (writes.Count == 0) return true;
        var previous = _frames.Count > 0 ? _frames[^1].Chain : _layout.Seed;
        if (_segments[^1].Count >= _segmentBytes && _segments[^1].Count > JournalLayout.HeaderBytes) _segments.Add([.. _layout.Header(_segments.Count + 1, _frames.Count + 1, previous)]);
        var bytes = _layout.Frame(_frames.Count + 1, previous, writes);
        _frames.Add(new Frame(_segments.Count - 1, _segments[^1].Count, bytes.Length, writes, bytes[^32..]));
        _segments[^1].AddRange(bytes);
        return true;
    }

    /// <summary>Makes durable what had been written when the sync began; false for an opener that is no longer the last.</summary>
    public bool Sync(long owner, int written)
    {
        if (owner != Owner && !_mutant.WithoutFence) return false;
        for (written = Math.Min(written, _frames.Count); _durable < written; _durable++) TakeGuard(_frames[_durable]);
        _acknowledged = Math.Max(_acknowledged, _durable);
        return true;
    }

    /// <summary>The power goes, or another opener comes: of what is not durable some frames are there whole, the next one perhaps in part, the others not at all.</summary>
    public void Crash()
    {
        if (_frames.Count == _durable) return;
        var kept = _durable + _chance.Below(_frames.Count - _durable + 1);
        if (kept > _durable && _chance.Percent(50)) kept = _durable;
        if (kept < _frames.Count)
        {
            var torn = _frames[kept];
            var bytes = CollectionsMarshal.AsSpan(_segments[torn.Segment]).Slice(torn.Offset, torn.Length).ToArray();
            Cut(kept, mayDropSegment: true);
            if (Tear(torn, bytes)) _frames.Add(torn);
        }

        _durable = _frames.Count;
    }

    /// <summary>A bad disk: bits flip, a write goes astray, or syncs were not carried out.</summary>
    public void Rot()
    {
        if (_frames.Count == 0) return;
        switch (_chance.Below(4))
        {
            case 0:
                Cut(Math.Max(0, _frames.Count - 1 - _chance.Below(6)), mayDropSegment: true);
                HasForgotten |= _frames.Count < _acknowledged;
                _durable = _acknowledged = _frames.Count;
                break;
            case 1: MoveSector((at, value) => Change(at, value)); break;
            default:
                for (var i = 0; i < 1 + _chance.Below(3); i++)
                {
                    var inLast = _chance.Percent(30);
                    var segment = inLast ? _frames[^1].Segment : _chance.Below(_segments.Count);
                    var offset = inLast ? _frames[^1].Offset + _chance.Below(_frames[^1].Length) : _chance.Below(_segments[segment].Count);
                    Change((segment, offset), (byte)(_segments[segment][offset] ^ 1 << _chance.Below(8)));
                }

                break;
        }
    }

    /// <summary>Opens the journal and ends whoever had it; reads it as the real store does.</summary>
    public JournalOpening Open(bool readsGoAstray)
    {
        Crash();
        Owner++;
        if (_segments.Count == 0)
        {
            _segments.Add([.. _layout.Header(1, 1, _layout.Seed)]);
            return new JournalOpening(Owner, [], false);
        }

        List<byte[]> images = [.. _segments.Select(bytes => bytes.ToArray())];
        if (readsGoAstray) MoveSector((at, value) => images[at.Segment][at.Offset] = value);
        var hasTail = images[^1].Length > (_frames.Count > 0 && _frames[^1].Segment == images.Count - 1 ? _frames[^1].Offset + _frames[^1].Length : JournalLayout.HeaderBytes);
        // Reading files costs most of what a seed costs: of sound journals the store reads a part only.
        var reading = _mutant.Recovery is not RecoveryFault.None ? BrokenReader.Read(_layout, images, _mutant.Recovery)
            : hasTail || _leftover is not null || FirstDamage(images) is not null || _chance.Percent(15) ? StoreReader.Read(_validator, images, _leftover)
            : new StoreReading([.. _frames.Select(frame => frame.Records)], null, images[^1].Length);
        Judge(images, reading);
        Seen = (Seen.Torn + (hasTail ? 1 : 0), Seen.Refused + (reading.Refusal is null ? 0 : 1));
        _leftover = null;
        if (reading.Refusal is not null) return new JournalOpening(Owner, null, !IsDamaged(_segments.Select(bytes => bytes.ToArray())));

        // What recovery has cut off is gone from the disk too.
        HasForgotten |= reading.Frames.Count < _acknowledged;
        Cut(reading.Frames.Count, mayDropSegment: false);
        var last = _segments[^1];
        if (last.Count > reading.LastSegmentBytes) last.RemoveRange((int)reading.LastSegmentBytes, last.Count - (int)reading.LastSegmentBytes);
        ForgetChanges();
        Guard = null;
        foreach (var frame in _frames) TakeGuard(frame);
        _durable = _acknowledged = _frames.Count;
        return new JournalOpening(Owner, [.. reading.Frames.SelectMany(records => records)], false);
    }

    private void Judge(List<byte[]> images, StoreReading reading)
    {
        if (reading.Refusal is null)
        {
            if (reading.Frames.Count > _frames.Count) throw new InvariantException($"I18: recovery gives {reading.Frames.Count} frames of {_frames.Count}");
            for (var i = 0; i < reading.Frames.Count; i++)
            {
                if (!Same(reading.Frames[i], _frames[i].Records)) throw new InvariantException($"I18: recovery gives other records than were written in frame {i + 1}");
            }

            if (reading.Frames.Count == _frames.Count) return;
        }

        var (segment, frame) = FirstDamage(images) ?? throw new InvariantException($"I18: recovery of a sound journal of {_frames.Count} frames gives {reading.Frames.Count} or refuses: {reading.Refusal}");
        if (reading.Refusal is { } text)
        {
            if (!text.Contains(JournalLayout.FileName(segment + 1), StringComparison.Ordinal) || (frame >= 0 && !text.Contains($"frame {frame + 1} ", StringComparison.Ordinal))) throw new InvariantException($"I18: the damage of frame {frame + 1} in segment {segment + 1} is refused as: {text}");
            return;
        }

        var soundBehind = _frames.FindIndex(frame + 1, next => !Differs(images, next.Segment, next.Offset, next.Length)) >= 0;
        if (frame != reading.Frames.Count || segment != images.Count - 1 || soundBehind) throw new InvariantException($"I18: recovery cuts off {_frames.Count - reading.Frames.Count} durable frames, though frame {frame + 1} of segment {segment + 1} is damaged");
    }

    // In the order in which a reader meets it: the segment, and the frame or −1 for the segment's header.
    private (int Segment, int Frame)? FirstDamage(List<byte[]> images)
    {
        var frame = 0;
        for (var segment = 0; segment < images.Count; segment++)
        {
            if (Differs(images, segment, 0, JournalLayout.HeaderBytes)) return (segment, -1);
            for (; frame < _frames.Count && _frames[frame].Segment == segment; frame++)
            {
                if (Differs(images, segment, _frames[frame].Offset, _frames[frame].Length)) return (segment, frame);
            }
        }

        return null;
    }

    private bool IsDamaged(IEnumerable<byte[]> images) => FirstDamage([.. images]) is not null;

    private bool Differs(List<byte[]> images, int segment, int offset, int length)
    {
        if (images[segment].Length < offset + length) return true;
        var image = images[segment].AsSpan(offset, length);
        if (!image.SequenceEqual(CollectionsMarshal.AsSpan(_segments[segment]).Slice(offset, length)))
        {
            for (var i = 0; i < length; i++)
            {
                if (image[i] != (_changed.TryGetValue((segment, offset + i), out var was) ? was : _segments[segment][offset + i])) return true;
            }

            return false;
        }

        return _changed.Any(change => change.Key.Segment == segment && change.Key.Offset >= offset && change.Key.Offset < offset + length && _segments[segment][change.Key.Offset] != change.Value);
    }

    // Removes all frames from this one on, with their bytes.
    private void Cut(int kept, bool mayDropSegment)
    {
        if (kept >= _frames.Count) return;
        var first = _frames[kept];
        // A segment whose first frame goes is there or not: its header was durable on its own.
        var segments = mayDropSegment && first.Segment > 0 && first.Offset == JournalLayout.HeaderBytes && _chance.Percent(50) ? first.Segment : first.Segment + 1;
        if (segments < _segments.Count) _segments.RemoveRange(segments, _segments.Count - segments);
        if (segments > first.Segment) _segments[first.Segment].RemoveRange(first.Offset, _segments[first.Segment].Count - first.Offset);
        else if (_chance.Percent(50)) _leftover = [.. first.Chain, .. first.Chain];
        _frames.RemoveRange(kept, _frames.Count - kept);
        ForgetChanges();
    }

    // Where nothing is any more, nothing is changed.
    private void ForgetChanges()
    {
        foreach (var at in _changed.Keys.Where(at => at.Segment >= _segments.Count || at.Offset >= _segments[at.Segment].Count).ToList()) _changed.Remove(at);
    }

    // Writes a part of a frame; true when by chance all of it is there.
    private bool Tear(Frame torn, byte[] whole)
    {
        if (torn.Segment >= _segments.Count) return false;
        var bytes = whole.ToArray();
        var how = _chance.Below(5);
        var length = how is 0 ? 0 : how is 1 or 3 ? _chance.Below(whole.Length + 1) : whole.Length;
        for (var at = 0; how is 2 or 3 && at < bytes.Length; at++)
        {
            var isSectorStart = at == 0 || (torn.Offset + at) % Sector == 0;
            if (!isSectorStart || _chance.Percent(40)) continue;
            var sector = bytes.AsSpan(at, Math.Min(bytes.Length - at, Sector - (torn.Offset + at) % Sector));
            if (_chance.Percent(70)) sector.Clear(); else _chance.Fill(sector);
        }

        if (how is 4) bytes[_chance.Below(bytes.Length)] ^= (byte)(1 << _chance.Below(8));
        _segments[torn.Segment].AddRange(bytes[..length]);
        return length == whole.Length && bytes.AsSpan().SequenceEqual(whole);
    }

    // One sector's content comes from another place.
    private void MoveSector(Action<(int Segment, int Offset), byte> set)
    {
        var (to, from) = (Place(), Place());
        var source = _segments[from.Segment].Skip(from.Offset).Take(Sector).ToArray();
        for (var i = 0; i < source.Length && to.Offset + i < _segments[to.Segment].Count; i++) set((to.Segment, to.Offset + i), source[i]);

        (int Segment, int Offset) Place()
        {
            var segment = _chance.Below(_segments.Count);
            return (segment, _chance.Below((_segments[segment].Count + Sector - 1) / Sector) * Sector);
        }
    }

    private void Change((int Segment, int Offset) at, byte value)
    {
        _changed.TryAdd(at, _segments[at.Segment][at.Offset]);
        _segments[at.Segment][at.Offset] = value;
    }

    private void TakeGuard(Frame frame)
    {
        foreach (var record in frame.Records)
        {
            if (record.Kind is JournalRecordKind.Guard && VoteGuard.TryDecode(record.Content.Span, out var guard)) Guard = guard;
        }
    }

    private static bool Same(IReadOnlyList<JournalRecord> read, IReadOnlyList<JournalRecord> written) =>
        read.Count == written.Count && read.Zip(written).All(pair => pair.First.Kind == pair.Second.Kind && pair.First.Content.Span.SequenceEqual(pair.Second.Content.Span));
}

/// <summary>One guard for two activations of a seat with a journal each: every vote is a compare-and-swap on it, durable at once. The guard must hold by itself, whatever the two know.</summary>
internal sealed class SharedGuard(ulong era, ConsensusRules rules)
{
    private VoteGuard _guard = VoteGuard.Empty(era);

    /// <summary>A new era begins with an empty guard; whoever brings it has the end of the last one on its disk.</summary>
    public void Enter(ulong next)
    {
        if (next > _guard.Era) _guard = VoteGuard.Empty(next);
    }

    public bool TryAdmit(Vote vote)
    {
        if (!_guard.TryAdmit(vote, vote.PreimageDigest(SimulatedMachine.Chain, SimulatedMachine.Shard), rules, out var next)) return false;
        _guard = next;
        return true;
    }
}
