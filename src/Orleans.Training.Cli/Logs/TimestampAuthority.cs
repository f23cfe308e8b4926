using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using Orleans.Training.Grains;

namespace Orleans.Training.Cli.Logs;

/// <summary>Somebody whose signature says that bytes existed at a time.</summary>
internal interface ITimestampAuthority
{
    /// <summary>Has bytes stamped: the answer of RFC 3161 §2.4.2 in DER, whose token is about these bytes, and the time that it says.</summary>
    /// <exception cref="OperationalException">OT-7073: there is no such answer.</exception>
    Task<(byte[] Answer, DateTimeOffset Time)> Stamp(ReadOnlyMemory<byte> content, CancellationToken cancellationToken);
}

/// <summary>
/// An authority that is asked over HTTP (RFC 3161 §3.4), by the SHA-256 of the bytes and a nonce. That the answer is to this question, and well signed by the certificate in it, is checked here; whether that certificate is
/// anybody's is for whoever relies on it (<c>openssl ts -verify -CAfile</c>).
/// </summary>
internal sealed class HttpTimestampAuthority(Uri address) : ITimestampAuthority, IDisposable
{
    private const int AnswerBytes = 64 * 1024;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(20), MaxResponseContentBufferSize = AnswerBytes };

    public async Task<(byte[] Answer, DateTimeOffset Time)> Stamp(ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var request = Rfc3161TimestampRequest.CreateFromData(content.Span, HashAlgorithmName.SHA256, nonce: RandomNumberGenerator.GetBytes(16), requestSignerCertificates: true);
        try
        {
            using var body = new ByteArrayContent(request.Encode());
            body.Headers.ContentType = new MediaTypeHeaderValue("application/timestamp-query");
            using var response = await _http.PostAsync(address, body, cancellationToken);
            if (response.StatusCode is not HttpStatusCode.OK) throw Failure($"answers {(int)response.StatusCode}");
            var answer = await response.Content.ReadAsByteArrayAsync(cancellationToken);
            var token = request.ProcessResponse(answer, out var read);
            if (read != answer.Length || !token.VerifySignatureForData(content.Span, out _)) throw Failure("has not signed this");
            return (answer, token.TokenInfo.Timestamp);
        }
        catch (Exception exception) when (exception is HttpRequestException or CryptographicException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw Failure(exception.Message, exception);
        }
    }

    public void Dispose() => _http.Dispose();

    private OperationalException Failure(string what, Exception? inner = null) => new("OT-7073", $"The time stamping authority {address}: {what}. Look whether it speaks RFC 3161 over HTTP, or take another.", inner);
}
