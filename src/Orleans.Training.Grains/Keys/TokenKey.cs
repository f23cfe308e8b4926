using System.Text;

namespace Orleans.Training.Grains.Keys;

/// <summary>
/// A key in a PKCS#11 token, as a URI (RFC 7512): <c>pkcs11:token=T;object=O?module-path=/M.so&amp;pin-source=file:/P</c>. In the path may stand token, serial, object,
/// id and type=private; in the query module-path and pin-source. A <c>pin-value</c> is refused.
/// </summary>
/// <param name="Token">The token's label.</param>
/// <param name="Serial">The token's serial number; null for any.</param>
/// <param name="Label">The key's label; null when <paramref name="Id"/> is enough.</param>
/// <param name="Id">The key's id in hexadecimal digits; null when <paramref name="Label"/> is enough.</param>
/// <param name="Module">The absolute path of the token's library.</param>
/// <param name="Pin">Where the PIN is.</param>
public sealed record TokenKey(string Token, string? Serial, string? Label, string? Id, string Module, SecretSource Pin) : KeyReference
{
    private const string Unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/@+!$'()*,[]|";

    public override string ToString()
    {
        var text = new StringBuilder("pkcs11:token=").Append(Encode(Encoding.UTF8.GetBytes(Token)));
        if (Serial is not null) text.Append(";serial=").Append(Encode(Encoding.UTF8.GetBytes(Serial)));
        if (Label is not null) text.Append(";object=").Append(Encode(Encoding.UTF8.GetBytes(Label)));
        if (Id is not null) text.Append(";id=").Append(Encode(Convert.FromHexString(Id)));
        return text.Append("?module-path=").Append(Encode(Encoding.UTF8.GetBytes(Module))).Append("&pin-source=").Append(Encode(Encoding.UTF8.GetBytes(Pin.ToString()))).ToString();
    }

    internal static (KeyReference?, string) Read(string text)
    {
        var query = text.IndexOf('?', StringComparison.Ordinal);
        if (query < 0) return (null, "it needs ?module-path=…&pin-source=… at its end");
        var values = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        var problem = Collect(text[..query].Split(';'), ["token", "serial", "object", "id", "type"], values) ?? Collect(text[(query + 1)..].Split('&'), ["module-path", "pin-source"], values);
        if (problem is not null) return (null, problem);
        if (!TryText(values, "token", out var token) || token is null) return (null, "it needs token=, the label of the token");
        if (!TryText(values, "serial", out var serial) || !TryText(values, "object", out var label)) return (null, "serial= and object= must be text in UTF-8");
        var id = values.TryGetValue("id", out var bytes) ? Convert.ToHexString(bytes) : null;
        if (label is null && id is null) return (null, "it needs object= or id=, the key's label or id");
        if (values.TryGetValue("type", out var type) && !type.AsSpan().SequenceEqual("private"u8)) return (null, "type= can only be private");
        if (!TryText(values, "module-path", out var module) || module is null || !Path.IsPathFullyQualified(module)) return (null, "it needs module-path=, the absolute path of the token's library");
        if (!TryText(values, "pin-source", out var place) || place is null || !SecretSource.TryParse(place, out var pin)) return (null, "it needs pin-source=file:/absolute/path or pin-source=env:NAME");
        return (new TokenKey(token, serial, label, id, module, pin!), "");
    }

    private static string? Collect(string[] parts, string[] allowed, Dictionary<string, byte[]> values)
    {
        foreach (var part in parts)
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (part.StartsWith("pin-value", StringComparison.Ordinal)) return "a PIN must not stand in it (pin-value): name its place with pin-source";
            if (equals < 0 || !allowed.Contains(part[..equals])) return $"of its parts only {string.Join(", ", allowed)} may stand there";
            if (!TryDecode(part.AsSpan(equals + 1), out var value)) return $"{part[..equals]}= must have a value, with % and two hexadecimal digits where a character is not allowed";
            if (!values.TryAdd(part[..equals], value)) return $"{part[..equals]}= stands in it twice";
        }

        return null;
    }

    // No control characters: the label goes into messages, and no token has one.
    private static bool TryText(Dictionary<string, byte[]> values, string name, out string? text)
    {
        text = null;
        if (!values.TryGetValue(name, out var bytes)) return true;
        if (!System.Text.Unicode.Utf8.IsValid(bytes)) return false;
        text = Encoding.UTF8.GetString(bytes);
        return !text.Any(char.IsControl);
    }

    private static string Encode(byte[] bytes) => string.Concat(bytes.Select(value => Unreserved.Contains((char)value, StringComparison.Ordinal) ? ((char)value).ToString() : $"%{value:X2}"));

    private static bool TryDecode(ReadOnlySpan<char> text, out byte[] bytes)
    {
        bytes = [];
        var decoded = new List<byte>(text.Length);
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] is '%')
            {
                if (at + 2 >= text.Length || !char.IsAsciiHexDigit(text[at + 1]) || !char.IsAsciiHexDigit(text[at + 2])) return false;
                decoded.Add(Convert.FromHexString(text.Slice(at + 1, 2))[0]);
                at += 2;
            }
            else if (Unreserved.Contains(text[at], StringComparison.Ordinal)) decoded.Add((byte)text[at]);
            else return false;
        }

        bytes = [.. decoded];
        return bytes.Length > 0;
    }
}
