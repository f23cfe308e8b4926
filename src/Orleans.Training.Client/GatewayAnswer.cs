using System.Text.Json;

namespace Orleans.Training.Client;

/// <summary>What a gateway answered, when it was no answer: the message begins with the gateway's number.</summary>
public sealed class GatewayException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Reads what gateways send. They are not trusted: whatever is not of the API's form, or too long, is one <see cref="GatewayException"/>.</summary>
internal static class GatewayAnswer
{
    /// <summary>The number of an outage behind a gateway, which passes.</summary>
    public const string Unavailable = "OT-6012";

    /// <summary>The longest answer or message; pages are far shorter.</summary>
    public const int MaximumBytes = 4 * 1024 * 1024;

    /// <summary>The body, of at most so many bytes.</summary>
    public static async Task<byte[]> Body(HttpContent content, int maximum, CancellationToken cancellationToken)
    {
        await using var stream = await content.ReadAsStreamAsync(cancellationToken);
        using var body = new MemoryStream();
        var buffer = new byte[64 * 1024];
        while (await stream.ReadAsync(buffer, cancellationToken) is var read and > 0)
        {
            if (body.Length + read > maximum) throw TooLong(maximum);
            body.Write(buffer, 0, read);
        }

        return body.ToArray();
    }

    /// <summary>Parses JSON and reads from it; the reader may take every member for given and of its type.</summary>
    public static T Read<T>(ReadOnlyMemory<byte> json, Func<JsonElement, T> read)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return read(document.RootElement);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or OverflowException or ArgumentException or IndexOutOfRangeException)
        {
            throw new GatewayException($"OT-6022 the gateway's answer is not of the API's form: {exception.Message.ReplaceLineEndings(" ")}", exception);
        }
    }

    /// <summary>A member that must be a text.</summary>
    public static string Text(this JsonElement element, string name) => element.GetProperty(name).GetString() ?? throw new FormatException($"{name} is null.");

    /// <summary>The first of a list of errors, as number and message.</summary>
    public static string Describe(JsonElement errors)
    {
        var first = errors[0];
        var number = first.TryGetProperty("extensions", out var extensions) && extensions.TryGetProperty("code", out var code) ? code.GetString() : null;
        return $"{number ?? "OT-6022"} {first.Text("message")}";
    }

    public static GatewayException TooLong(int maximum) => new($"OT-6022 the gateway sent more than {maximum} bytes.");
}
