using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net.Sockets;
using Orleans.Training.Cli;
using Orleans.Training.Cli.Demo;
using Orleans.Training.Cli.Logs;
using Orleans.Training.Cli.Validators;
using Orleans.Training.Client;
using Orleans.Training.Client.Exports;
using Orleans.Training.Client.Logs;
using Orleans.Training.Grains;

var root = new RootCommand("Orleans.Training: train one model together, on a ledger that nobody controls.")
{
    DemoCommand.Create(),
    UpCommand.Create(),
    ServeCommand.Create(),
    VerifyCommand.Create(),
    MonitorCommand.Create(),
    AnchorCommand.Create(),
    ValidatorCommand.Create(),
};
var parsed = root.Parse(args is ["help", .. var about] ? [.. about, "--help"] : args);
if (parsed.Errors.Count > 0) return Misused(parsed);
try
{
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (OperationCanceledException)
{
    return ExitCode.Interrupted;
}
catch (Exception exception)
{
    return Failed(exception);
}

// One line: what is wrong, and where to read what is right.
static int Misused(ParseResult parsed)
{
    var names = new List<string>();
    for (SymbolResult? result = parsed.CommandResult; result is CommandResult command; result = command.Parent) names.Insert(0, command.Command is RootCommand ? "./run" : command.Command.Name);
    var problems = string.Join(' ', parsed.Errors.Select(error => error.Message.ReplaceLineEndings(" ").Trim()).Distinct());
    Console.Error.WriteLine($"OT-7014 {problems} See {string.Join(' ', names)} --help");
    return ExitCode.Usage;
}

// What has a number is explained by its page; the rest is a fault of ours, and its place in the code helps.
static int Failed(Exception exception)
{
    if (exception.Message.StartsWith("OT-", StringComparison.Ordinal)) Console.Error.WriteLine(exception.Message);
    else if (exception.GetBaseException() is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }) Console.Error.WriteLine($"OT-7016 a port is taken: {exception.Message}");
    else if (DiskSpace.IsMissing(exception)) Console.Error.WriteLine($"OT-4007 the disk is full: {exception.GetBaseException().Message.TrimEnd('.')}. Make space, then do it again: what was written before is there.");
    else Console.Error.WriteLine($"OT-7015 the program failed: {exception}");
    return exception switch { ExportException => ExitCode.CheckFailed, GatewayException or LogException => ExitCode.NotReachable, _ => ExitCode.Usage };
}
