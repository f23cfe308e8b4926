using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Silos;

/// <summary>
/// What this silo shows and whom it lets in, read from the files whenever it is asked. While the files do not fit each other, as in the middle of a rotation, what
/// was read last goes on to count.
/// </summary>
internal sealed partial class TlsCredentials
{
    private const int MaximumFileBytes = 1024 * 1024;
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    private readonly SiloTlsOptions _options;
    private readonly Lock _reading = new();
    private Loaded _loaded;

    /// <exception cref="OperationalException">OT-7060: a file cannot be read, or they do not fit each other. OT-4031: others may read the key.</exception>
    public TlsCredentials(SiloTlsOptions options)
    {
        _options = options;
        _loaded = Load(options);
    }

    /// <summary>The certificate to show now.</summary>
    public SslStreamCertificateContext Certificate(ILogger logger) => Current(logger).Certificate;

    /// <summary>Why a peer is not let in; null when it is.</summary>
    /// <param name="shown">The peer's certificate; null when it showed none.</param>
    /// <param name="sent">The certificates that it sent beside.</param>
    /// <param name="isServer">Whether this peer is the server of the connection.</param>
    /// <param name="logger">Where a failed reading of the files is told.</param>
    public string? Refusal(X509Certificate? shown, X509Chain? sent, bool isServer, ILogger logger)
    {
        if (shown is not X509Certificate2 certificate) return "it shows no certificate";
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(Current(logger).Authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(isServer ? ServerUse : ClientUse));
        if (sent is not null) chain.ChainPolicy.ExtraStore.AddRange(sent.ChainPolicy.ExtraStore);
        if (!chain.Build(certificate)) return $"its certificate is not good: {string.Join(", ", chain.ChainStatus.Select(status => status.Status).Distinct())}";
        return _options.AllowedNames.Count == 0 || _options.AllowedNames.Any(name => certificate.MatchesHostname(name, allowWildcards: false, allowCommonName: false)) ? null : "its certificate bears none of the allowed names";
    }

    private Loaded Current(ILogger logger)
    {
        lock (_reading)
        {
            try
            {
                var now = Read(_options);
                if (now.Digest != _loaded.Digest) _loaded = Load(now, _options);
                else Zero(now.Key);
            }
            catch (OperationalException exception)
            {
                LogKept(logger, exception.Message);
            }

            return _loaded;
        }
    }

    private static Loaded Load(SiloTlsOptions options) => Load(Read(options), options);

    private static Loaded Load(Files files, SiloTlsOptions options)
    {
        try
        {
            var chain = new X509Certificate2Collection();
            chain.ImportFromPem(files.Certificate);
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPem(files.Authorities);
            if (authorities.Count == 0) throw new CryptographicException("there is no certificate of an authority");
            var own = X509Certificate2.CreateFromPem(files.Certificate, files.Key);
            // Windows' TLS does not take keys that are nowhere stored.
            if (OperatingSystem.IsWindows()) own = X509CertificateLoader.LoadPkcs12(own.Export(X509ContentType.Pkcs12), null);
            chain.RemoveAt(0);
            return new Loaded(files.Digest, SslStreamCertificateContext.Create(own, chain, offline: true), authorities);
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            throw new OperationalException("OT-7060", $"{options.CertificateFile}, {options.KeyFile} and {options.AuthorityFile} do not make a certificate with its key and authorities: {exception.Message}");
        }
        finally
        {
            Zero(files.Key);
        }
    }

    private static void Zero(char[] secret) => CryptographicOperations.ZeroMemory(System.Runtime.InteropServices.MemoryMarshal.AsBytes(secret.AsSpan()));

    private static Files Read(SiloTlsOptions options)
    {
        var (certificate, key, authorities) = (Read(options.CertificateFile, false), Read(options.KeyFile, true), Read(options.AuthorityFile, false));
        var text = new char[key.Length];
        System.Text.Encoding.ASCII.GetChars(key, text);
        var digest = Digest.Of([.. SHA256.HashData(certificate), .. SHA256.HashData(key), .. SHA256.HashData(authorities)]);
        CryptographicOperations.ZeroMemory(key);
        return new Files(digest, System.Text.Encoding.ASCII.GetString(certificate), text, System.Text.Encoding.ASCII.GetString(authorities));
    }

    private static byte[] Read(string path, bool isSecret)
    {
        try
        {
            using var handle = File.OpenHandle(path);
            if (isSecret) KeyFolder.RequireOwnerOnly(handle, path);
            if (RandomAccess.GetLength(handle) > MaximumFileBytes) throw new OperationalException("OT-7060", $"{path} has more than {MaximumFileBytes} bytes.");
            var bytes = new byte[RandomAccess.GetLength(handle)];
            return RandomAccess.Read(handle, bytes, 0) == bytes.Length ? bytes : throw new IOException("It changed while it was read.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new OperationalException("OT-7060", $"{path} cannot be read: {exception.Message}");
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The certificate in use stays, since its successor cannot be read: {Problem}")]
    private static partial void LogKept(ILogger logger, string problem);

    private sealed record Files(Digest Digest, string Certificate, char[] Key, string Authorities);

    private sealed record Loaded(Digest Digest, SslStreamCertificateContext Certificate, X509Certificate2Collection Authorities);
}
