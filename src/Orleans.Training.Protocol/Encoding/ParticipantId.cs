namespace Orleans.Training.Protocol;

/// <summary>The name of an organisation in its federation: 1 to 63 characters a–z, 0–9 and '-', beginning and ending with a letter or digit (a DNS label, RFC 1123 §2.1).</summary>
public readonly record struct ParticipantId : IComparable<ParticipantId>
{
    private readonly string? _name;

    private ParticipantId(string name) => _name = name;

    /// <summary>The name; empty only for <c>default</c>, which names nobody.</summary>
    public string Name => _name ?? "";

    /// <summary>Parses a name; false when it breaks the rule above.</summary>
    public static bool TryParse(string? name, out ParticipantId participant)
    {
        var ok = name is { Length: >= 1 and <= 63 } && name[0] != '-' && name[^1] != '-' && name.AsSpan().IndexOfAnyExcept(Alphabet) < 0;
        participant = ok ? new ParticipantId(name!) : default;
        return ok;
    }

    /// <summary>Parses a name that is known to be good.</summary>
    /// <exception cref="FormatException">It is not.</exception>
    public static ParticipantId Parse(string name) =>
        TryParse(name, out var participant) ? participant : throw new FormatException($"'{name}' is no participant name: use 1 to 63 of a-z, 0-9 and '-', not at either end.");

    /// <inheritdoc/>
    public int CompareTo(ParticipantId other) => string.CompareOrdinal(Name, other.Name);

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static readonly System.Buffers.SearchValues<char> Alphabet = System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    /// <summary>Ordinal order.</summary>
    public static bool operator <(ParticipantId left, ParticipantId right) => left.CompareTo(right) < 0;

    /// <summary>Ordinal order.</summary>
    public static bool operator >(ParticipantId left, ParticipantId right) => left.CompareTo(right) > 0;

    /// <summary>Ordinal order.</summary>
    public static bool operator <=(ParticipantId left, ParticipantId right) => left.CompareTo(right) <= 0;

    /// <summary>Ordinal order.</summary>
    public static bool operator >=(ParticipantId left, ParticipantId right) => left.CompareTo(right) >= 0;
}
