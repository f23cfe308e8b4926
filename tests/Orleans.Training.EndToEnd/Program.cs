using Orleans.Training.Protocol;

namespace Orleans.Training.EndToEnd;

/// <summary>A silo with its gateway as a process of its own: <c>folder shard name participant…</c>. Says where it is, and ends when its input does.</summary>
internal static class Program
{
    public static async Task<int> Main(string[] arguments)
    {
        if (arguments.Length < 3 || !Identifier.TryParse(arguments[1], out var shard)) return 2;
        await using var host = await GatewayHost.Start(arguments[0], shard, arguments[2], arguments[3..]);
        Console.WriteLine($"{host.Address.ToParsableString()} {host.Url}");
        await Console.In.ReadToEndAsync();
        return 0;
    }
}
