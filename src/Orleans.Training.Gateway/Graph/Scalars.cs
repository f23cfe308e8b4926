using System.Globalization;
using GraphQL.Types;
using GraphQLParser.AST;
using Orleans.Training.Protocol;

namespace Orleans.Training.Gateway.Graph;

/// <summary>A scalar that travels as a string in one spelling.</summary>
internal abstract class TextScalar<T> : ScalarGraphType
{
    protected abstract bool TryRead(string text, out T value);

    protected abstract string Write(T value);

    public override object? ParseLiteral(GraphQLValue value) => value switch
    {
        GraphQLStringValue text => Read((string)text.Value),
        GraphQLNullValue => null,
        _ => ThrowLiteralConversionError(value),
    };

    public override object? ParseValue(object? value) => value switch
    {
        string text => Read(text),
        T typed => typed,
        null => null,
        _ => ThrowValueConversionError(value),
    };

    public override object? Serialize(object? value) => value switch
    {
        T typed => Write(typed),
        null => null,
        _ => ThrowSerializationError(value),
    };

    private object? Read(string text) => TryRead(text, out var value) ? value : ThrowValueConversionError(text);
}

internal sealed class Int64Scalar : TextScalar<long>
{
    public Int64Scalar() => (Name, Description) = ("Int64", "A 64-bit integer sent as a decimal string, so that JavaScript never rounds it.");

    protected override bool TryRead(string text, out long value) => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);

    protected override string Write(long value) => value.ToString(CultureInfo.InvariantCulture);
}

internal sealed class Base64Scalar : TextScalar<ReadOnlyMemory<byte>>
{
    public Base64Scalar() => (Name, Description) = ("Base64", "Standard base64 (RFC 4648 §4) with padding.");

    protected override bool TryRead(string text, out ReadOnlyMemory<byte> value)
    {
        var buffer = new byte[text.Length];
        var good = Convert.TryFromBase64String(text, buffer, out var written);
        value = buffer.AsMemory(0, written);
        return good;
    }

    protected override string Write(ReadOnlyMemory<byte> value) => Convert.ToBase64String(value.Span);
}

internal sealed class DigestScalar : TextScalar<Digest>
{
    public DigestScalar() => (Name, Description) = ("Digest", "Lower-case hexadecimal of SHA-256.");

    protected override bool TryRead(string text, out Digest value) => Digest.TryParse(text, out value);

    protected override string Write(Digest value) => value.ToString();
}

internal sealed class InstantScalar : TextScalar<DateTimeOffset>
{
    public InstantScalar() => (Name, Description) = ("DateTime", "RFC 3339 instant, UTC.");

    protected override bool TryRead(string text, out DateTimeOffset value) => DateTimeOffset.TryParseExact(text, "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out value);

    protected override string Write(DateTimeOffset value) => value.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
