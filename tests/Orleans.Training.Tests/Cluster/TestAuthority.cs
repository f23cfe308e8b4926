using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Orleans.Training.Grains.Silos;

namespace Orleans.Training.Tests.Cluster;

/// <summary>An authority of its own, and the certificates that it gives out.</summary>
internal sealed class TestAuthority : IDisposable
{
    private static readonly DateTimeOffset Yesterday = DateTimeOffset.UtcNow.AddDays(-1);

    private readonly X509Certificate2 _root;

    public TestAuthority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        _root = request.CreateSelfSigned(Yesterday, Yesterday.AddDays(30));
    }

    /// <summary>The certificate of the authority.</summary>
    public string Pem => _root.ExportCertificatePem() + "\n";

    /// <summary>A certificate for a DNS name with its key; for both sides of TLS unless uses are given.</summary>
    public X509Certificate2 Issue(string name, int days = 10, params string[] uses)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([.. (uses.Length > 0 ? uses : ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]).Select(use => new Oid(use))], true));
        using var signed = request.Create(_root, Yesterday.AddHours(-1 + (days < 0 ? 2 : 0)).AddHours(days < 0 ? -1 : 1), Yesterday.AddHours(days < 0 ? 12 : 24 * days), RandomNumberGenerator.GetBytes(16));
        return signed.CopyWithPrivateKey(key);
    }

    /// <summary>Options of a silo that shows this certificate and lets in those of these authorities.</summary>
    public static SiloTlsOptions Write(TemporaryFolder folder, string name, X509Certificate2 certificate, params TestAuthority[] authorities)
    {
        var options = new SiloTlsOptions { CertificateFile = folder[name + ".crt"], KeyFile = folder[name + ".key"], AuthorityFile = folder[name + ".ca"] };
        File.WriteAllText(options.CertificateFile, certificate.ExportCertificatePem() + "\n");
        File.WriteAllText(options.AuthorityFile, string.Concat(authorities.Select(authority => authority.Pem)));
        using var key = certificate.GetECDsaPrivateKey()!;
        File.WriteAllText(options.KeyFile, key.ExportPkcs8PrivateKeyPem() + "\n");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(options.KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return options;
    }

    public void Dispose() => _root.Dispose();
}
