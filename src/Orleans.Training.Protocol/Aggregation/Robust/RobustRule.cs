using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// How the means of groups become one mean update that a few poisoned groups cannot carry away, in integers only, so that all who compute it agree (docs/spec/robust.md). On the wire its name where it
/// has no constants, else [name, constants …].
/// </summary>
public abstract record RobustRule
{
    private protected RobustRule()
    {
    }

    /// <summary>The rule's name.</summary>
    public abstract string Name { get; }

    /// <summary>Groups below which it promises nothing, and refuses.</summary>
    public abstract int LeastGroups { get; }

    /// <summary>Whether it goes out from a vector besides the groups: lanes per update, one for every lane of the sums.</summary>
    public virtual bool NeedsReference => false;

    /// <summary>Whether that vector is the last round's result.</summary>
    public virtual bool CarriesReference => false;

    private protected virtual long[] Constants => [];

    private protected virtual bool IsSound => true;

    /// <summary>The mean update.</summary>
    /// <param name="groups">The groups' sums.</param>
    /// <param name="reference">Of a rule with <see cref="NeedsReference"/>, else empty.</param>
    /// <exception cref="InvalidOperationException">The rule's constants are out of range.</exception>
    /// <exception cref="ArgumentException">There are fewer groups than <see cref="LeastGroups"/>, or the reference has another length.</exception>
    public RobustMean Apply(GroupSums groups, ReadOnlySpan<int> reference = default)
    {
        if (!IsSound) throw new InvalidOperationException($"The constants of {this} are out of range.");
        if (groups.Count < LeastGroups) throw new ArgumentException($"{this} needs {LeastGroups} groups and has {groups.Count}: form more groups, or agree on a rule that tolerates fewer poisoned ones.", nameof(groups));
        if (reference.Length != (NeedsReference ? groups.Length : 0)) throw new ArgumentException($"{this} {(NeedsReference ? $"needs a reference of {groups.Length} lanes" : "takes no reference")}.", nameof(reference));
        return Compute(groups, reference);
    }

    /// <summary>The name and the constants.</summary>
    public sealed override string ToString() => Constants.Length == 0 ? Name : $"{Name}({string.Join(", ", Constants)})";

    private protected abstract RobustMean Compute(GroupSums groups, ReadOnlySpan<int> reference);

    internal void Write(CborWriter writer)
    {
        var constants = Constants;
        if (constants.Length > 0) writer.WriteStartArray(1 + constants.Length);
        writer.WriteTextString(Name);
        foreach (var constant in constants) writer.WriteInt64(constant);
        if (constants.Length > 0) writer.WriteEndArray();
    }

    internal static RobustRule Read(CborReader reader)
    {
        RobustRule? rule;
        if (reader.PeekState() is CborReaderState.TextString)
        {
            rule = reader.ReadText(Limits.NameLength) switch { CoordinateMedian.Text => new CoordinateMedian(), FlTrust.Text => new FlTrust(), _ => null };
        }
        else
        {
            var length = reader.ReadStartArray();
            rule = (reader.ReadText(Limits.NameLength), length) switch
            {
                (TrimmedMean.Text, 2) => new TrimmedMean(reader.ReadNumber(GroupSums.MaximumGroups)),
                (MultiKrum.Text, 3) => new MultiKrum(reader.ReadNumber(GroupSums.MaximumGroups), reader.ReadNumber(GroupSums.MaximumGroups)),
                (Bulyan.Text, 2) => new Bulyan(reader.ReadNumber(GroupSums.MaximumGroups)),
                (CentredClipping.Text, 3) => new CentredClipping(reader.ReadNumber(), reader.ReadNumber(CentredClipping.MostIterations)),
                _ => null,
            };
            if (rule is not null) reader.ReadEndArray();
        }

        Wire.Require(rule is { IsSound: true });
        return rule!;
    }
}
