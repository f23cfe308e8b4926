using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// Who shares with whom: an undirected graph on positions of the roster (docs/spec/fedmask.md §5). All ascends: members, and the neighbours
/// of each. Up to 128 members it is complete; above, each has k neighbours on a circle whose order the beacon draws.
/// </summary>
public sealed class MaskGraph
{
    private readonly ushort[] _members;
    private readonly ushort[][] _neighbours;

    private MaskGraph(ushort[] members, ushort[][] neighbours, int threshold) => (_members, _neighbours, Threshold) = (members, neighbours, threshold);

    /// <summary>The vertices.</summary>
    public ReadOnlySpan<ushort> Members => _members;

    /// <summary>t: shares that give a secret back, and neighbours that each member must keep.</summary>
    public int Threshold { get; }

    /// <summary>The graph of a cohort.</summary>
    /// <exception cref="ArgumentException">The members do not ascend, or are too few or too many.</exception>
    public static MaskGraph Create(ReadOnlySpan<ushort> members, AttemptContext attempt, MaskBeacon beacon, FaultBound bound)
    {
        if (members.Length is < GraphParameters.Smallest or > Limits.Participants) throw new ArgumentException($"A cohort has {GraphParameters.Smallest} to {Limits.Participants} participants, not {members.Length}.", nameof(members));
        _ = Preimage.OfSet(members);
        var parameters = GraphParameters.For(members.Length, bound);
        return Create(members, attempt, beacon, parameters);
    }

    internal static MaskGraph Create(ReadOnlySpan<ushort> members, AttemptContext attempt, MaskBeacon beacon, GraphParameters parameters)
    {
        var (ordered, count) = (members.ToArray(), members.Length);
        var neighbours = new ushort[count][];
        if (parameters.Degree == count - 1)
        {
            for (var i = 0; i < count; i++) neighbours[i] = [.. ordered[..i], .. ordered[(i + 1)..]];
            return new(ordered, neighbours, parameters.Threshold);
        }

        var circle = Permutation(count, attempt, beacon);
        var half = parameters.Degree / 2;
        for (var place = 0; place < count; place++) neighbours[circle[place]] = Around(ordered, circle, place, half);

        return new(ordered, neighbours, parameters.Threshold);
    }

    /// <summary>N(i) in the graph of a cohort, for less than the whole graph costs.</summary>
    /// <exception cref="ArgumentException">It is no member.</exception>
    public static ushort[] NeighboursOf(ushort member, ReadOnlySpan<ushort> members, AttemptContext attempt, MaskBeacon beacon, FaultBound bound)
    {
        var (at, count, parameters) = (members.BinarySearch(member), members.Length, GraphParameters.For(members.Length, bound));
        if (at < 0) throw new ArgumentException($"{member} is not in the cohort.", nameof(member));
        if (parameters.Degree == count - 1) return [.. members[..at], .. members[(at + 1)..]];
        var circle = Permutation(count, attempt, beacon);
        return Around(members, circle, Array.IndexOf(circle, at), parameters.Degree / 2);
    }

    /// <summary>Whether this position is a vertex.</summary>
    public bool Contains(ushort member) => Array.BinarySearch(_members, member) >= 0;

    /// <summary>N(i); empty for who is no vertex.</summary>
    public ReadOnlySpan<ushort> Neighbours(ushort member) => Array.BinarySearch(_members, member) is var i && i >= 0 ? _neighbours[i] : [];

    /// <summary>x_j: at which point the holder's share of the dealer's secrets is taken, 1 + its index among the dealer's neighbours; 0 if it is none.</summary>
    public byte PointOf(ushort dealer, ushort holder) => (byte)(Neighbours(dealer).BinarySearch(holder) is var i && i >= 0 ? i + 1 : 0);

    /// <summary>
    /// The graph of masks (U2, E′): the edges that both ends acknowledged, without the members whose degree is below the threshold, until no
    /// such member is left.
    /// </summary>
    /// <param name="acknowledgements">For each member in its order, a bit for each neighbour in its order, lowest bit first; null from who sent none.</param>
    public MaskGraph Acknowledge(IReadOnlyList<ReadOnlyMemory<byte>?> acknowledgements)
    {
        if (acknowledgements.Count != _members.Length) throw new ArgumentException("One acknowledgement for each member is asked for.", nameof(acknowledgements));
        bool Says(int member, ushort about) => acknowledgements[member] is { } bits && _neighbours[member].AsSpan().BinarySearch(about) is var at && at >= 0 && at / 8 < bits.Length && (bits.Span[at / 8] >> (at % 8) & 1) == 1;
        var edges = new ushort[_members.Length][];
        for (var i = 0; i < edges.Length; i++) edges[i] = [.. _neighbours[i].Where(other => Says(i, other) && Says(Array.BinarySearch(_members, other), _members[i]))];
        var graph = new MaskGraph(_members, edges, Threshold);
        while (true)
        {
            ushort[] kept = [.. graph._members.Where(member => graph.Neighbours(member).Length >= Threshold)];
            if (kept.Length == graph._members.Length) return graph;
            graph = graph.Restrict(kept);
        }
    }

    /// <summary>The members that are also in the set, and the edges between them; nobody is pruned.</summary>
    /// <param name="set">Ascending positions.</param>
    public MaskGraph Restrict(ReadOnlySpan<ushort> set)
    {
        var chosen = set.ToArray();
        ushort[] kept = [.. _members.Where(member => Array.BinarySearch(chosen, member) >= 0)];
        ushort[][] edges = [.. kept.Select(member => _neighbours[Array.BinarySearch(_members, member)].Where(other => Array.BinarySearch(kept, other) >= 0).ToArray())];
        return new(kept, edges, Threshold);
    }

    /// <summary>Whether every member is reached from every other. Nobody is not connected.</summary>
    public bool IsConnected()
    {
        if (_members.Length == 0) return false;
        var reached = new bool[_members.Length];
        var waiting = new Stack<int>([0]);
        reached[0] = true;
        var count = 1;
        while (waiting.TryPop(out var next))
        {
            foreach (var neighbour in _neighbours[next])
            {
                var at = Array.BinarySearch(_members, neighbour);
                if (reached[at]) continue;
                reached[at] = true;
                count++;
                waiting.Push(at);
            }
        }

        return count == _members.Length;
    }

    /// <summary>H(E′): SHA-256 of the edges, each as its smaller and its larger position, ascending, two bytes each.</summary>
    public Digest EdgesDigest()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> pair = stackalloc byte[4];
        for (var i = 0; i < _members.Length; i++)
        {
            foreach (var other in _neighbours[i])
            {
                if (other <= _members[i]) continue;
                BinaryPrimitives.WriteUInt16LittleEndian(pair, _members[i]);
                BinaryPrimitives.WriteUInt16LittleEndian(pair[2..], other);
                hash.AppendData(pair);
            }
        }

        return Digest.From(hash.GetHashAndReset());
    }

    // Who stands so many places before and behind, ascending.
    private static ushort[] Around(ReadOnlySpan<ushort> members, int[] circle, int place, int half)
    {
        var around = new ushort[2 * half];
        for (var step = 1; step <= half; step++)
        {
            around[step - 1] = members[circle[(place + step) % circle.Length]];
            around[half + step - 1] = members[circle[(place + circle.Length - step) % circle.Length]];
        }

        Array.Sort(around);
        return around;
    }

    private static int[] Permutation(int count, AttemptContext attempt, MaskBeacon beacon)
    {
        Span<byte> key = stackalloc byte[MaskStream.KeyBytes], material = stackalloc byte[Digest.Size];
        beacon.Digest.CopyTo(material);
        MaskKeys.Derive(material, attempt.Digest, Preimage.Info("graph"), key);
        return Shuffle.Order(count, key);
    }
}
