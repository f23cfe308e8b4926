using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Azure.Core.Pipeline;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Orleans.Training.EndToEnd.Vaults;

/// <summary>
/// A vault on loopback that speaks the REST interface of Azure Key Vault as far as keys that sign go: real EC keys, tokens by challenge, versions, numbered faults. The
/// official client for Node passes against it (KeyVaultClientTests).
/// </summary>
internal sealed class FakeVault : IAsyncDisposable
{
    public const string Host = "hospital.vault.example";
    public const string Resource = "https://vault.example";
    public const string Tenant = "0f5b7d3e-1111-4222-8333-944445555666";
    public const string Token = "token-that-nobody-may-see-5501";

    private static readonly string[] Versions = ["7.5", "7.6", "2025-07-01"];

    private readonly X509Certificate2 _certificate;
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, VaultKeyEntry> _keys = new(StringComparer.Ordinal);

    private FakeVault(X509Certificate2 certificate, WebApplication app) => (_certificate, _app) = (certificate, app);

    /// <summary>What came in: method, path and whether it had a token.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    /// <summary>Answers instead of the vault's own, in order; a null lets one request pass.</summary>
    public ConcurrentQueue<Func<HttpContext, Task>?> Faults { get; } = [];

    /// <summary>The challenge; null for none.</summary>
    public string? Challenge { get; set; } = $"Bearer authorization=\"https://login.example/{Tenant}\", resource=\"{Resource}\"";

    public int Port => new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;

    public string Certificate => _certificate.ExportCertificatePem();

    public static async Task<FakeVault> Start()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={Host}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(Host);
        request.CertificateExtensions.Add(names.Build());
        var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.SetMinimumLevel(LogLevel.Critical);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        var app = builder.Build();
        var vault = new FakeVault(certificate, app);
        app.Run(vault.Answer);
        await app.StartAsync();
        return vault;
    }

    /// <summary>Adds a version of a key, which becomes its newest; the version.</summary>
    public string Add(string name, AsymmetricAlgorithm key, bool enabled = true, params string[] uses)
    {
        var version = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var entry = new VaultKeyEntry(name, version, key, enabled, uses.Length > 0 ? uses : ["sign", "verify"]);
        (_keys[$"{name}/{version}"], _keys[$"{name}/"]) = (entry, entry);
        return version;
    }

    /// <summary>Leads every host to this machine, and trusts this vault's certificate alone.</summary>
    public HttpPipelineTransport Transport() => new HttpClientTransport(new HttpClient(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(IPAddress.Loopback, Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
        SslOptions = { RemoteCertificateValidationCallback = (_, shown, _, _) => shown is X509Certificate2 one && one.Thumbprint == _certificate.Thumbprint },
    }));

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _certificate.Dispose();
    }

    public static Task Fault(HttpContext context, int status, string code)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(new { error = new { code, message = "what the vault says about it" } });
    }

    private async Task Answer(HttpContext context)
    {
        var authorised = context.Request.Headers.Authorization == $"Bearer {Token}";
        Requests.Enqueue($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString} {(context.Request.Headers.Authorization.Count > 0 ? "token" : "no token")}");
        if (!authorised)
        {
            if (Challenge is not null) context.Response.Headers.WWWAuthenticate = Challenge;
            await Fault(context, 401, "Unauthorized");
        }
        else if (Faults.TryDequeue(out var fault) && fault is not null) await fault(context);
        else if (!Versions.Contains(context.Request.Query["api-version"].ToString())) await Fault(context, 400, "BadParameter");
        else await AnswerKey(context, context.Request.Path.Value!.Split('/'));
    }

    private Task AnswerKey(HttpContext context, string[] path)
    {
        if (path is not ["", "keys", var name, ..] || !_keys.TryGetValue($"{name}/{(path.Length > 3 ? path[3] : "")}", out var key)) return Fault(context, 404, "KeyNotFound");
        return (context.Request.Method, path.Length > 4 ? path[4] : "") switch
        {
            ("GET", "") => context.Response.WriteAsJsonAsync(key.Bundle(Kid(context, key))),
            ("POST", "sign") => Sign(context, key),
            _ => Fault(context, 405, "MethodNotAllowed"),
        };
    }

    private static async Task Sign(HttpContext context, VaultKeyEntry key)
    {
        var request = await JsonSerializer.DeserializeAsync<JsonElement>(context.Request.Body);
        if (!key.Enabled || !key.Uses.Contains("sign")) await Fault(context, 403, "Forbidden");
        else if (request.GetProperty("alg").GetString() != "ES256" || key.Key is not ECDsa { KeySize: 256 } ec || Base64Url.DecodeFromChars(request.GetProperty("value").GetString()) is not { Length: 32 } digest) await Fault(context, 400, "BadParameter");
        else await context.Response.WriteAsJsonAsync(new { kid = Kid(context, key), value = Base64Url.EncodeToString(ec.SignHash(digest)) });
    }

    private static string Kid(HttpContext context, VaultKeyEntry key) => $"https://{context.Request.Host}/keys/{key.Name}/{key.Version}";
}

/// <summary>One version of a key.</summary>
internal sealed record VaultKeyEntry(string Name, string Version, AsymmetricAlgorithm Key, bool Enabled, string[] Uses)
{
    public object Bundle(string kid)
    {
        var attributes = new { enabled = Enabled, created = 1_700_000_000, updated = 1_700_000_000, recoveryLevel = "Recoverable", exportable = false };
        if (Key is not ECDsa ec) return new { key = new { kid, kty = "RSA", key_ops = Uses, n = "AQAB", e = "AQAB" }, attributes };
        var point = ec.ExportParameters(includePrivateParameters: false).Q;
        return new { key = new { kid, kty = "EC", key_ops = Uses, crv = $"P-{ec.KeySize}", x = Base64Url.EncodeToString(point.X), y = Base64Url.EncodeToString(point.Y) }, attributes };
    }
}
