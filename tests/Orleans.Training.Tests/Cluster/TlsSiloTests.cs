using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Training.Grains.Silos;

namespace Orleans.Training.Tests.Cluster;

/// <summary>Silos with mutual TLS on real ports.</summary>
public sealed class TlsSiloTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestAuthority _ours = new("ours");
    private readonly TestAuthority _theirs = new("theirs");

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        _folder.Dispose();
        _ours.Dispose();
        _theirs.Dispose();
    }

    [Fact]
    public async Task TwoSilos_WithMutualTls_FormACluster_AlsoAcrossARotation()
    {
        var tls = Ours("one");
        await using var one = await SiloProcess.Start("one", options => Configure(options, tls));
        await using (var two = await SiloProcess.Start("two", options => Configure(options, Ours("two"))))
        {
            await RequireCluster(one, two);
        }

        await one.SeesActive(1);
        using var renewed = _theirs.Issue("one");
        TestAuthority.Write(_folder, "one", renewed, _theirs);
        using var next = _theirs.Issue("three");
        await using var three = await SiloProcess.Start("three", options => Configure(options, TestAuthority.Write(_folder, "three", next, _theirs)));
        await RequireCluster(one, three);
    }

    [Fact]
    public async Task KilledSilo_IsReplaced_AlsoWithMutualTls()
    {
        await using var survivor = await SiloProcess.Start("survivor", options => Configure(options, Ours("survivor")));
        await using var victim = await SiloProcess.Start("victim", options => Configure(options, Ours("victim")));
        await RequireCluster(survivor, victim);
        await victim.Kill();
        await survivor.SeesActive(1);
        for (var i = 0; i < 8; i++) await survivor.Grains.GetGrain<INoteGrain>($"note {i}").Read();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ports_AnswerOnlyWhoHasACertificateOfTheAuthority(bool isGateway)
    {
        var ports = new List<int>();
        await using var silo = await SiloProcess.Start("one", options =>
        {
            Configure(options, Ours("one"));
            options.GatewayPort = FreePort();
            ports.AddRange([options.SiloPort, options.GatewayPort]);
        });
        var port = ports[isGateway ? 1 : 0];
        using var good = _ours.Issue("peer");
        using var stranger = _theirs.Issue("peer");
        // On the port for clients the silo waits for them to speak first; that good ones are let in there, is the next test's.
        if (!isGateway) Assert.True(await LetsIn(port, good, SslProtocols.Tls13));
        Assert.False(await LetsIn(port, null, SslProtocols.Tls13));
        Assert.False(await LetsIn(port, stranger, SslProtocols.Tls13));
        Assert.False(await LetsIn(port, good, SslProtocols.Tls12));

        // What Orleans itself would begin with, without TLS: the silo hangs up, and says nothing of its own.
        using var plain = new TcpClient();
        await plain.ConnectAsync(IPAddress.Loopback, port);
        await plain.GetStream().WriteAsync(Encoding.ASCII.GetBytes(new string('o', 300)));
        Assert.DoesNotContain("otrain", Encoding.ASCII.GetString(await ReadToEnd(plain.GetStream())), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Client_NeedsACertificateToo()
    {
        TrainingSiloOptions? options = null;
        await using var silo = await SiloProcess.Start("one", configured =>
        {
            Configure(configured, Ours("one"));
            configured.GatewayPort = FreePort();
            options = configured;
        });
        using (var client = Client(options!, Ours("client")))
        {
            await client.StartAsync();
            await client.Services.GetRequiredService<IGrainFactory>().GetGrain<INoteGrain>("note").Write("over TLS");
            await client.StopAsync();
        }

        using var stranger = _theirs.Issue("client");
        foreach (var tls in new[] { null, TestAuthority.Write(_folder, "stranger", stranger, _ours) })
        {
            using var client = Client(options!, tls);
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            await Assert.ThrowsAnyAsync<Exception>(() => client.StartAsync(limit.Token));
        }

        Assert.Equal("over TLS", await silo.Grains.GetGrain<INoteGrain>("note").Read());
    }

    [Fact]
    public async Task Limits_AndProbes_AreSetFromTheOptions()
    {
        await using var silo = await SiloProcess.Start("one", options =>
        {
            options.DataFolder = _folder.Path;
            options.MaximumMessageBytes = 9_000_000;
        });
        var messages = silo.Services.GetRequiredService<IOptions<SiloMessagingOptions>>().Value;
        Assert.Equal((9_000_000, 1024 * 1024), (messages.MaxMessageBodySize, messages.MaxMessageHeaderSize));
        var membership = silo.Services.GetRequiredService<IOptions<ClusterMembershipOptions>>().Value;
        var longest = membership.ProbeTimeout * (membership.NumMissedProbesLimit + 2);
        Assert.True(longest < TimeSpan.FromSeconds(10), $"a silo that dies may be missed for {longest}");
    }

    [Fact]
    public async Task Message_BeyondTheLimit_DoesNotArrive_AndTheClusterLivesOn()
    {
        void Small(TrainingSiloOptions options)
        {
            options.DataFolder = _folder.Path;
            (options.MaximumMessageBytes, options.ResponseTimeout) = (8 * 1024 * 1024, TimeSpan.FromSeconds(5));
        }

        await using var one = await SiloProcess.Start("one", Small);
        await using var two = await SiloProcess.Start("two", Small);
        await RequireCluster(one, two);
        var remote = Enumerable.Range(0, 100).Select(i => $"note {i}").ToList();
        string? far = null;
        foreach (var name in remote)
        {
            if (await one.Grains.GetGrain<INoteGrain>(name).Where() != "two") continue;
            far = name;
            break;
        }

        Assert.NotNull(far);
        await Assert.ThrowsAnyAsync<Exception>(() => one.Grains.GetGrain<INoteGrain>(far).Write(new string('x', 9 * 1024 * 1024)));
        Assert.NotEqual(9 * 1024 * 1024, (await two.Grains.GetGrain<INoteGrain>(far).Read())?.Length);
    }

    private static async Task RequireCluster(SiloProcess one, SiloProcess two)
    {
        await one.SeesActive(2);
        await two.SeesActive(2);
        for (var i = 0; i < 8; i++) await one.Grains.GetGrain<INoteGrain>($"note {i}").Write($"text {i}");
        for (var i = 0; i < 8; i++) Assert.Equal($"text {i}", await two.Grains.GetGrain<INoteGrain>($"note {i}").Read());
    }

    private static async Task<byte[]> ReadToEnd(Stream stream)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var all = new MemoryStream();
        try
        {
            await stream.CopyToAsync(all, limit.Token);
        }
        catch (IOException)
        {
            // Reset: also an end.
        }

        return all.ToArray();
    }

    // A silo greets whom it has let in. A TLS 1.3 client believes to be done before the server has judged its certificate, so that the greeting is what counts.
    private static async Task<bool> LetsIn(int port, X509Certificate2? certificate, SslProtocols protocol)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port);
        await using var stream = new SslStream(client.GetStream());
        try
        {
            await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = "silo",
                EnabledSslProtocols = protocol,
                ClientCertificates = certificate is null ? null : [certificate],
                RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null,
            });
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            return await stream.ReadAsync(new byte[1], limit.Token) > 0;
        }
        catch (Exception exception) when (exception is AuthenticationException or IOException)
        {
            return false;
        }
    }

    private static IHost Client(TrainingSiloOptions silo, SiloTlsOptions? tls)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.SetMinimumLevel(LogLevel.Critical);
        builder.UseOrleansClient(client =>
        {
            client.UseStaticClustering(new IPEndPoint(IPAddress.Loopback, silo.GatewayPort));
            client.Configure<ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (silo.ClusterId, silo.ServiceId));
            client.Configure<ClientMessagingOptions>(messaging => messaging.ResponseTimeout = TimeSpan.FromSeconds(5));
            client.UseConnectionRetryFilter((_, _) => Task.FromResult(false));
            if (tls is not null) client.UseTrainingTls(tls);
        });
        return builder.Build();
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private SiloTlsOptions Ours(string name)
    {
        using var certificate = _ours.Issue(name);
        return TestAuthority.Write(_folder, name, certificate, _ours);
    }

    private void Configure(TrainingSiloOptions options, SiloTlsOptions tls) => (options.DataFolder, options.Tls) = (_folder.Path, tls);
}
