using System.Buffers.Text;
using System.Text.Json;
using Azure;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.AzureServices;

/// <summary>The JSON of a vault: what is sent, and what may come back.</summary>
internal static class VaultAnswer
{
    private const int MaximumBytes = 64 * 1024;
    private const int MaximumLine = 300;

    /// <summary>The body of a request to sign a digest of 32 bytes.</summary>
    public static byte[] SignRequest(ReadOnlySpan<byte> digest) => JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string> { ["alg"] = "ES256", ["value"] = Base64Url.EncodeToString(digest) });

    /// <summary>The body of an answer that grants what was asked.</summary>
    /// <exception cref="OperationalException">OT-4051 to OT-4054, by its status.</exception>
    public static JsonElement Require(Response response, VaultKey reference)
    {
        var body = Read(response, reference);
        if (response.Status == 200) return body ?? throw Odd(reference, "its answer is no JSON");
        var code = body is { ValueKind: JsonValueKind.Object } answer && answer.TryGetProperty("error", out var error) && error.ValueKind is JsonValueKind.Object && error.TryGetProperty("code", out var name) && name.ValueKind is JsonValueKind.String ? FirstLine(name.GetString()!) : "no code";
        throw response.Status switch
        {
            401 or 403 => new OperationalException("OT-4051", $"{reference.Vault.Host} does not let this machine use the key {reference.Name}: {response.Status}, {code}."),
            404 => new OperationalException("OT-4052", $"{reference.Vault.Host} has no key {reference.Name} of version {reference.Version}: {code}."),
            408 or 429 or >= 500 => new OperationalException("OT-4053", $"{reference.Vault.Host} is too busy or out of order: {response.Status}, {code}."),
            _ => Odd(reference, $"it answers {response.Status}, {code}"),
        };
    }

    /// <summary>The public key of an answer to GET.</summary>
    /// <exception cref="OperationalException">OT-4052: the key cannot sign here. OT-4054: the answer is another key's, or not in the form.</exception>
    public static PublicKey ReadKey(JsonElement body, VaultKey reference)
    {
        var key = body.ValueKind is JsonValueKind.Object && body.TryGetProperty("key", out var found) && found.ValueKind is JsonValueKind.Object ? found : throw Odd(reference, "its answer has no key");
        RequireKid(key, reference);
        if (Text(key, "kty") is not ("EC" or "EC-HSM") || Text(key, "crv") is not "P-256") throw Unfit(reference, "only P-256 keys sign for the ledger");
        if (body.TryGetProperty("attributes", out var attributes) && attributes.ValueKind is JsonValueKind.Object && attributes.TryGetProperty("enabled", out var enabled) && enabled.ValueKind is JsonValueKind.False) throw Unfit(reference, "it is disabled");
        if (!key.TryGetProperty("key_ops", out var uses) || uses.ValueKind is not JsonValueKind.Array || !uses.EnumerateArray().Any(use => use.ValueKind is JsonValueKind.String && use.GetString() == "sign")) throw Unfit(reference, "it may not sign (key_ops)");
        return Bytes(key, "x") is { Length: 32 } x && Bytes(key, "y") is { Length: 32 } y && PublicKey.TryCreate(SignatureAlgorithm.Es256, [4, .. x, .. y], out var publicKey)
            ? publicKey!
            : throw Odd(reference, "its public key is no point of P-256");
    }

    /// <summary>The signature of an answer to sign: r‖s as the vault gives it.</summary>
    /// <exception cref="OperationalException">OT-4054: it was made with another key, or is not in the form.</exception>
    public static byte[] ReadSignature(JsonElement body, VaultKey reference)
    {
        RequireKid(body, reference);
        return Bytes(body, "value") is { Length: Signatures.Size } signature ? signature : throw Odd(reference, "its answer has no signature of 64 bytes");
    }

    public static OperationalException Odd(VaultKey reference, string why) => new("OT-4054", $"{reference.Vault.Host} does not answer as a vault does for the key {reference.Name}: {why}.");

    /// <summary>What fits into a message of ours: one line of printable characters.</summary>
    public static string FirstLine(string text)
    {
        var line = text.AsSpan();
        var end = line.IndexOfAny('\r', '\n');
        if (end >= 0) line = line[..end];
        if (line.Length > MaximumLine) line = line[..MaximumLine];
        return string.Concat(line.ToString().Where(character => !char.IsControl(character)));
    }

    private static OperationalException Unfit(VaultKey reference, string why) => new("OT-4052", $"The key {reference.Name} of {reference.Vault.Host} cannot be used: {why}.");

    // Another version than the one that was asked for would be another key.
    private static void RequireKid(JsonElement element, VaultKey reference)
    {
        var good = Uri.TryCreate(Text(element, "kid"), UriKind.Absolute, out var kid) && kid.Host == reference.Vault.Host && kid.AbsolutePath.Equals($"/keys/{reference.Name}/{reference.Version}", StringComparison.OrdinalIgnoreCase);
        if (!good) throw Odd(reference, "its answer is about another key or version");
    }

    private static string? Text(JsonElement element, string name) => element.ValueKind is JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String ? value.GetString() : null;

    private static byte[]? Bytes(JsonElement element, string name) => Text(element, name) is { } text && Base64Url.IsValid(text) ? Base64Url.DecodeFromChars(text) : null;

    private static JsonElement? Read(Response response, VaultKey reference)
    {
        if (response.ContentStream is not { } stream) return null;
        var bytes = new byte[MaximumBytes + 1];
        var length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (length > MaximumBytes) throw Odd(reference, $"its answer has more than {MaximumBytes} bytes");
        try
        {
            return JsonSerializer.Deserialize<JsonElement>(bytes.AsSpan(0, length));
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
