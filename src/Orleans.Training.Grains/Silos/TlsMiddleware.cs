using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Orleans.Training.Grains.Silos;

/// <summary>Puts TLS between a connection and what runs over it. Both sides show certificates; nothing of Orleans is read before they are found good.</summary>
internal sealed partial class TlsMiddleware(TlsCredentials credentials, TimeSpan timeout, ILogger logger)
{
    /// <summary>For connections that come in.</summary>
    public void UseServer(IConnectionBuilder builder) => builder.Use(next => connection => Run(connection, next, ShakeAsServer));

    /// <summary>For connections that go out.</summary>
    public void UseClient(IConnectionBuilder builder) => builder.Use(next => connection => Run(connection, next, ShakeAsClient));

    private async Task Run(ConnectionContext connection, ConnectionDelegate next, Func<SslStream, CancellationToken, Task> shake)
    {
        var plain = connection.Transport;
        await using var stream = new SslStream(new PipeStream(plain));
        using (var limit = CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed))
        {
            limit.CancelAfter(timeout);
            try
            {
                await shake(stream, limit.Token);
            }
            catch (Exception exception) when (exception is AuthenticationException or IOException or OperationCanceledException)
            {
                LogRefused(logger, $"{connection.RemoteEndPoint}", exception is OperationCanceledException ? "it did not prove itself in time" : exception.Message);
                throw;
            }
        }

        var secured = new SecuredPipe(PipeReader.Create(stream, new StreamPipeReaderOptions(leaveOpen: true)), PipeWriter.Create(stream, new StreamPipeWriterOptions(leaveOpen: true)));
        connection.Transport = secured;
        try
        {
            await next(connection);
        }
        finally
        {
            connection.Transport = plain;
            await secured.Input.CompleteAsync();
            try
            {
                await secured.Output.CompleteAsync();
            }
            catch (Exception exception) when (exception is IOException or InvalidOperationException)
            {
                // The peer is gone, and what was not sent goes with it.
            }
        }
    }

    // Without resumption each connection shows its certificate anew.
    private Task ShakeAsServer(SslStream stream, CancellationToken cancellationToken) => stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
    {
        ServerCertificateContext = credentials.Certificate(logger),
        ClientCertificateRequired = true,
        EnabledSslProtocols = SslProtocols.Tls13,
        AllowTlsResume = false,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        RemoteCertificateValidationCallback = (_, shown, sent, _) => Accepts(shown, sent, isServer: false),
    }, cancellationToken);

    private Task ShakeAsClient(SslStream stream, CancellationToken cancellationToken) => stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
    {
        // Silos are known by addresses: whose certificate it is, is decided by authority and allowed names.
        TargetHost = "",
        ClientCertificateContext = credentials.Certificate(logger),
        EnabledSslProtocols = SslProtocols.Tls13,
        AllowTlsResume = false,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        RemoteCertificateValidationCallback = (_, shown, sent, _) => Accepts(shown, sent, isServer: true),
    }, cancellationToken);

    private bool Accepts(X509Certificate? shown, X509Chain? sent, bool isServer)
    {
        if (credentials.Refusal(shown, sent, isServer, logger) is not { } why) return true;
        LogStranger(logger, why);
        return false;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "OT-7061 the peer {Peer} is not let in: {Why}")]
    private static partial void LogRefused(ILogger logger, string peer, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "OT-7061 a peer is not let in: {Why}")]
    private static partial void LogStranger(ILogger logger, string why);

    private sealed record SecuredPipe(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
