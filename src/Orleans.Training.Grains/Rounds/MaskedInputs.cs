using System.Buffers;
using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Rounds;

/// <summary>
/// One masked attempt as one seat has seen it. Masked updates are added up as they come, masks and all, so that memory holds one sum for each group however many there are; openings, and the shares of whom they are
/// about, are small and kept whole. What cannot be had is looked for again the next time: missing bytes are no verdict.
/// </summary>
/// <param name="blobs">Where blobs are read: this machine, and others if it has links.</param>
/// <param name="terms">The agreement.</param>
/// <param name="round">State key of the attempt.</param>
/// <param name="self">Whose, for the log.</param>
/// <param name="isOverdue">Whether something has been wanted for so long that this seat does it too.</param>
/// <param name="logger">Where a sum that cannot be had is told.</param>
internal sealed partial class MaskedInputs(IBlobStore blobs, AgreementRecord terms, string round, int self, Func<string, bool> isOverdue, ILogger logger) : IAttemptInputs
{
    private const int FetchedAtOnce = 8;
    // Blobs of this machine by name, with their lengths; of those that are small also the bytes.
    private readonly ConcurrentDictionary<Digest, long> _here = [];
    private readonly ConcurrentDictionary<Digest, byte[]> _small = [];
    private readonly SortedDictionary<(MaskBlobKind Kind, int Position), bool> _judged = [];
    // By number of the group.
    private readonly SortedDictionary<int, MaskedInputSum> _sums = [];
    private readonly bool _isProjected = terms.Agreement.Masking!.Check is SumCheck.Projected;
    private readonly SortedSet<int> _culprits = [];
    private byte[]? _reference;
    private bool _isSpoilt;

    /// <inheritdoc/>
    public string Round => round;

    /// <inheritdoc/>
    public IReadOnlySet<int> Culprits => _culprits;

    /// <inheritdoc/>
    public async ValueTask<Holding?> Look(ContractState state, RoundRecord record, ValidatorSet validators, int seat, CancellationToken cancellationToken)
    {
        var masked = Of(state, record);
        if (await LookAtReference(masked, validators, seat, cancellationToken) is { } holding) return holding;
        if (KindOf(record.Phase) is not { } kind) return null;
        var said = masked.HeldBy(seat, kind);
        var committed = PositionSet.Of(masked.ExpectedOf(kind).Positions.Where(position => masked.RootOf(kind, position) is not null));
        var mine = _isProjected && kind is MaskBlobKind.Input ? Mine(committed, masked.Held(kind, validators.Count, validators.MaxFaulty + 1), validators, seat) : committed;
        var open = mine.Without(said).Positions.Where(position => !_judged.ContainsKey((kind, position))).Select(position => masked.RootOf(kind, position)!.Value).ToArray();
        if (open.Length > 0) await Fetch([.. open, .. masked.Standing.SelectMany(group => group.DealtBy(DealersOf(group, kind)))], kind >= MaskBlobKind.Openings, kind is MaskBlobKind.Input ? masked.Layout.Bytes : ShareBlob.MaximumBytes, cancellationToken);

        var positions = new List<int>();
        foreach (var group in masked.Standing)
        {
            var unmasking = kind >= MaskBlobKind.Openings ? MaskedUnmasking.Of(group, Small) : null;
            foreach (var position in mine.Without(said).And(group.Members).Positions)
            {
                if (await Admits(group, unmasking, kind, position, cancellationToken)) positions.Add(position);
            }
        }

        if (positions.Count == 0) return null;
        var call = new HoldMaskBlobs(record.Agreement, record.Number, record.Attempt, kind, PositionSet.Of(positions));
        return new Holding(call, positions, kind.ToString(), committed.Count, !masked.IsEnough(kind, committed), kind is MaskBlobKind.Input ? _isProjected ? validators.Count : validators.Quorum : validators.MaxFaulty + 1);
    }

    /// <summary>The masks that are left in the sum of a group; null when something is not here, or when they cannot be had.</summary>
    public async ValueTask<MaskTerms?> MasksOf(MaskedGroup group, CancellationToken cancellationToken)
    {
        await Fetch([.. group.UnmaskingBlobs], keep: true, ShareBlob.MaximumBytes, cancellationToken);
        return MaskedUnmasking.Of(group, Small).TryRemove(out var masks, out _) is MaskFault.None ? masks : null;
    }

    /// <inheritdoc/>
    public async ValueTask<RoundAggregate?> Compute(ContractState state, RoundRecord record, int quorum, byte[] parent, CancellationToken cancellationToken)
    {
        // What is fixed stays fixed: a sum that is spoilt once is spoilt.
        if (_isSpoilt) return null;
        var masked = Of(state, record);
        if (masked.Reference is { } reference && await ReadReference(reference, cancellationToken) is null) return null;
        foreach (var group in masked.Standing)
        {
            if (await SumOf(group, cancellationToken) is null) return null;
            await Fetch([.. group.UnmaskingBlobs], keep: true, ShareBlob.MaximumBytes, cancellationToken);
        }

        var fault = MaskedAggregate.TryCompute(masked, parent, Open, _ => _reference, out var aggregate, out var culprit);
        if (aggregate is not null && terms.Agreement.Groups is not null)
        {
            foreach (var group in masked.Standing.Select(group => group.Index).Except(GroupSumsBlob.GroupsOf(aggregate.Sum))) LogGroupSpoilt(logger, self, group, round);
        }

        if (fault is MaskFault.None or MaskFault.BlobMissing) return aggregate;
        _isSpoilt = true;
        LogSpoilt(logger, self, round, (int)fault, fault.ToString(), MaskedAggregate.NamesCulprit(fault) ? terms.Agreement.Datasets[culprit].Participant.Name : "one of the survivors, nobody can tell which");
        return null;
    }

    /// <summary>The sum of exactly a group's survivors' masked updates, masks and all; null when one is not here.</summary>
    internal async ValueTask<MaskedInputSum?> SumOf(MaskedGroup masked, CancellationToken cancellationToken)
    {
        var survivors = masked.Survivors;
        // What too few seats held in time does not count, though it may be in the sum of this one.
        if (_judged.Any(item => item.Key.Kind is MaskBlobKind.Input && item.Value && masked.Members.Contains(item.Key.Position) && !survivors.Contains(item.Key.Position)))
        {
            _sums.Remove(masked.Index);
            foreach (var key in _judged.Keys.Where(key => key.Kind is MaskBlobKind.Input && masked.Members.Contains(key.Position)).ToArray()) _judged.Remove(key);
        }

        await Fetch([.. masked.Order!.Inputs.Select(input => input.Root)], keep: false, masked.Layout.Bytes, cancellationToken);
        if (_isProjected)
        {
            _sums.Remove(masked.Index);
            foreach (var (_, root) in masked.Order.Inputs)
            {
                if (await Add(masked, root, cancellationToken) is not true) return null;
            }

            return _sums[masked.Index];
        }

        foreach (var position in survivors.Positions)
        {
            if (!await Admits(masked, null, MaskBlobKind.Input, position, cancellationToken)) return null;
        }

        return _sums[masked.Index];
    }

    // What FLTrust compares groups with is judged as an update without masks is.
    private async ValueTask<Holding?> LookAtReference(MaskedAttempt masked, ValidatorSet validators, int seat, CancellationToken cancellationToken)
    {
        if (!masked.TakesReference || masked.Trusted is not { } trusted || masked.Reference is not { } root || masked.HeldBy(seat, MaskBlobKind.Reference).Contains(trusted)) return null;
        if (!_judged.TryGetValue((MaskBlobKind.Reference, trusted), out var isGood))
        {
            if (await ReadReference(root, cancellationToken) is not { } bytes) return null;
            _judged[(MaskBlobKind.Reference, trusted)] = isGood = MaskedAggregate.TryReadReference(terms, bytes, out _);
            if (!isGood) LogRefused(logger, self, MaskBlobKind.Reference, terms.Agreement.Datasets[trusted].Participant.Name, round, (int)MaskFault.WrongLength, nameof(MaskFault.WrongLength));
        }

        if (!isGood) return null;
        var call = new HoldMaskBlobs(masked.Round.Agreement, masked.Round.Number, masked.Round.Attempt, MaskBlobKind.Reference, PositionSet.Of([trusted]));
        return new Holding(call, [trusted], nameof(MaskBlobKind.Reference), 1, MayGrow: false, validators.Quorum);
    }

    private async ValueTask<byte[]?> ReadReference(Digest root, CancellationToken cancellationToken)
    {
        if (_reference is not null || await blobs.Find(root, RoundAggregate.UpdateBytes(terms), cancellationToken) is not { } blob) return _reference;
        return _reference = blob.Length == RoundAggregate.UpdateBytes(terms) ? await blobs.ReadAll(root, cancellationToken) : [];
    }

    // Where sums are projected f + 1 seats read each update, and the others only what those do not.
    private PositionSet Mine(PositionSet committed, PositionSet held, ValidatorSet validators, int seat) => PositionSet.Of(committed.Positions.Where(position =>
        (position + seat) % validators.Count <= validators.MaxFaulty || (!held.Contains(position) && isOverdue($"input {position} {round}"))));

    // Of a group whose sum is here.
    private MaskFault Open(MaskedGroup group, out MaskedInputSum? inputs, out MaskTerms? masks, out ushort culprit)
    {
        inputs = _sums[group.Index];
        var fault = MaskedUnmasking.Of(group, Small).TryRemove(out masks, out culprit);
        if (fault is MaskFault.DealerFault) _culprits.Add(culprit);
        return fault;
    }

    // Whose shares the openings of a kind are checked against.
    private static PositionSet DealersOf(MaskedGroup group, MaskBlobKind kind) => kind switch { MaskBlobKind.Openings => group.Order!.Dropped, MaskBlobKind.SilentOpenings => group.Silent, _ => default };

    private async ValueTask<bool> Admits(MaskedGroup masked, MaskedUnmasking? unmasking, MaskBlobKind kind, int position, CancellationToken cancellationToken)
    {
        if (_judged.TryGetValue((kind, position), out var admissible)) return admissible;
        var root = masked.RootOf(kind, position)!.Value;
        if (kind is MaskBlobKind.Input)
        {
            // Who does not propose needs no sum.
            if (_isProjected) return _here.TryGetValue(root, out var length) && length == masked.Layout.Bytes;
            if (await Add(masked, root, cancellationToken) is not { } added) return false;
            return _judged[(kind, position)] = added;
        }

        var fault = (kind, Small(root)) switch
        {
            (MaskBlobKind.Shares, _) => _here.TryGetValue(root, out var length) ? MaskedUnmasking.CheckShares(masked, position, length) : MaskFault.BlobMissing,
            (_, null) => MaskFault.BlobMissing,
            (MaskBlobKind.Openings, { } bytes) => unmasking!.CheckOpenings(position, bytes),
            (_, { } bytes) => unmasking!.CheckSilentOpenings(position, bytes),
        };
        if (fault is MaskFault.BlobMissing) return false;
        if (fault is not MaskFault.None) LogRefused(logger, self, kind, terms.Agreement.Datasets[position].Participant.Name, round, (int)fault, fault.ToString());
        return _judged[(kind, position)] = fault is MaskFault.None;
    }

    // Null when it is not here.
    private async ValueTask<bool?> Add(MaskedGroup masked, Digest root, CancellationToken cancellationToken)
    {
        if (!_here.TryGetValue(root, out var length)) return null;
        if (!_sums.TryGetValue(masked.Index, out var sum)) _sums[masked.Index] = sum = new MaskedInputSum(masked.Layout);
        if (length != sum.Layout.Bytes) return false;
        var buffer = ArrayPool<byte>.Shared.Rent(Math.Max((int)length, Limits.ChunkBytes));
        try
        {
            // A chunk that is not the named content throws: nothing half read is ever added.
            await blobs.Read(root, 0, buffer, cancellationToken);
            return sum.TryAdd(buffer.AsSpan(0, (int)length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // What can be had comes onto this machine, several at once; what is kept, also into memory.
    private async Task Fetch(Digest[] roots, bool keep, long most, CancellationToken cancellationToken)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = FetchedAtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(roots.Distinct().Where(root => !(keep ? _small.ContainsKey(root) : _here.ContainsKey(root))), options, async (root, stop) =>
        {
            if (await blobs.Find(root, most, stop) is not { } blob) return;
            _here[root] = blob.Length;
            if (!keep) return;
            // Shares are the longest: what is longer has no right form, and neither has nothing.
            if (blob.Length > ShareBlob.MaximumBytes) _small[root] = [];
            else if (await blobs.ReadAll(root, stop) is { } bytes) _small[root] = bytes;
        });
    }

    private ReadOnlyMemory<byte>? Small(Digest root) => _small.TryGetValue(root, out var bytes) ? bytes : (ReadOnlyMemory<byte>?)null;

    private MaskedAttempt Of(ContractState state, RoundRecord record) => new(key => state.Find<StateRecord>(key), terms, record);

    private static MaskBlobKind? KindOf(Phase phase) => phase switch
    {
        Phase.ShareKeys => MaskBlobKind.Shares,
        Phase.Input => MaskBlobKind.Input,
        Phase.Unmask => MaskBlobKind.Openings,
        Phase.RevealSilent => MaskBlobKind.SilentOpenings,
        _ => null,
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "Seat {Seat}: there is no sum of {Round} (OT-{Number} {Fault}), by fault of {Culprit}; nobody who is honest attests one, and the attempt ends at its deadline")]
    private static partial void LogSpoilt(ILogger logger, int seat, string round, int number, string fault, string culprit);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Seat {Seat}: group {Group} has no sum in {Round}, by fault of one of its survivors; the others have a model without it")]
    private static partial void LogGroupSpoilt(ILogger logger, int seat, int group, string round);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Seat {Seat}: {Kind} of {Participant} in {Round} is not held (OT-{Number} {Fault})")]
    private static partial void LogRefused(ILogger logger, int seat, MaskBlobKind kind, string participant, string round, int number, string fault);
}
