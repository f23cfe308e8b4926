using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Links;

/// <summary>
/// TLS 1.3 between two organisations over any pipe (docs/spec/links.md §2), both showing a <see cref="SeatCertificate"/>. Whoever carries the pipe can cut or delay it, and
/// neither read nor change what goes through.
/// </summary>
internal static class LinkHandshake
{
    private static readonly SslApplicationProtocol Protocol = new("otrain-link/1");
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>The side that dialled. Gives who is at the other end: the organisation that was wanted, with a key that is welcome.</summary>
    /// <exception cref="AuthenticationException">It is another one, or not welcome.</exception>
    public static async Task<(SslStream Stream, LinkIdentity Peer)> AsDialler(Genesis genesis, X509Certificate2 own, Stream pipe, ParticipantId wanted, Func<LinkIdentity, bool> welcome, CancellationToken cancellationToken)
    {
        LinkIdentity? peer = null;
        var stream = new SslStream(pipe, leaveInnerStreamOpen: false);
        await Authenticate(stream, token => stream.AuthenticateAsClientAsync(ClientOptions(own, certificate => (peer = SeatCertificate.IdentityOf(genesis, certificate)) is { } known && known.Organisation == wanted && welcome(known)), token), cancellationToken);
        return (stream, peer!.Value);
    }

    /// <summary>The side that was dialled. Gives who dialled: whoever is welcome, and never <paramref name="self"/>.</summary>
    public static async Task<(SslStream Stream, LinkIdentity Peer)> AsListener(Genesis genesis, X509Certificate2 own, Stream pipe, ParticipantId? self, Func<LinkIdentity, bool> welcome, CancellationToken cancellationToken)
    {
        LinkIdentity? peer = null;
        var stream = new SslStream(pipe, leaveInnerStreamOpen: false);
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificate = own,
            ClientCertificateRequired = true,
            EnabledSslProtocols = SslProtocols.Tls13,
            ApplicationProtocols = [Protocol],
            AllowTlsResume = false,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is X509Certificate2 shown && (peer = SeatCertificate.IdentityOf(genesis, shown)) is { } known && known.Organisation != self && welcome(known),
        };
        await Authenticate(stream, token => stream.AuthenticateAsServerAsync(options, token), cancellationToken);
        return (stream, peer!.Value);
    }

    /// <summary>To a relay, which need not be anybody: it learns who we are, and what goes through it later is protected once more.</summary>
    public static async Task<SslStream> ToRelay(X509Certificate2 own, Stream pipe, CancellationToken cancellationToken)
    {
        var stream = new SslStream(pipe, leaveInnerStreamOpen: false);
        return await Authenticate(stream, token => stream.AuthenticateAsClientAsync(ClientOptions(own, _ => true), token), cancellationToken);
    }

    /// <summary>A certificate that claims nothing: what a relay shows.</summary>
    public static X509Certificate2 NobodysCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new CertificateRequest("CN=relay", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UnixEpoch, new DateTimeOffset(9999, 12, 31, 23, 59, 59, TimeSpan.Zero));
    }

    private static SslClientAuthenticationOptions ClientOptions(X509Certificate2 own, Func<X509Certificate2, bool> accept) => new()
    {
        TargetHost = "seat",
        ClientCertificateContext = SslStreamCertificateContext.Create(own, null, offline: true),
        EnabledSslProtocols = SslProtocols.Tls13,
        ApplicationProtocols = [Protocol],
        AllowTlsResume = false,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is X509Certificate2 shown && accept(shown),
    };

    private static async Task<SslStream> Authenticate(SslStream stream, Func<CancellationToken, Task> authenticate, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            await authenticate(patience.Token);
            return stream.NegotiatedApplicationProtocol == Protocol ? stream : throw new AuthenticationException("The other side speaks another protocol.");
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }
}
