using Microsoft.AspNetCore.Http;
using Orleans.Training.Gateway.Transport;

namespace Orleans.Training.Gateway.Validators;

/// <summary>Answers to plain HTTP requests: a refusal is one line of text that begins with its number.</summary>
internal static class PlainAnswer
{
    private const string Text = "text/plain; charset=utf-8";

    public static Task Refuse(HttpContext http, string code, string message)
    {
        http.Response.StatusCode = code switch { ApiErrors.NotFound => StatusCodes.Status404NotFound, ApiErrors.Unavailable => StatusCodes.Status503ServiceUnavailable, _ => ApiErrors.StatusOf(code) };
        if (http.Response.StatusCode is StatusCodes.Status401Unauthorized) http.Response.Headers.WWWAuthenticate = "Bearer";
        return Write(http, Text, System.Text.Encoding.UTF8.GetBytes($"{code} {message}\n"));
    }

    public static Task Give(HttpContext http, string text) => Write(http, Text, System.Text.Encoding.UTF8.GetBytes(text));

    /// <param name="http">The request.</param>
    /// <param name="bytes">The content.</param>
    /// <param name="forEver">Whether this address will always give these bytes.</param>
    public static Task Give(HttpContext http, ReadOnlyMemory<byte> bytes, bool forEver)
    {
        http.Response.Headers.CacheControl = forEver ? "private, max-age=31536000, immutable" : "no-store";
        return Write(http, "application/octet-stream", bytes);
    }

    private static Task Write(HttpContext http, string type, ReadOnlyMemory<byte> bytes)
    {
        http.Response.ContentType = type;
        http.Response.ContentLength = bytes.Length;
        if (http.Response.Headers.CacheControl.Count == 0) http.Response.Headers.CacheControl = "no-store";
        return http.Response.Body.WriteAsync(bytes, http.RequestAborted).AsTask();
    }
}
