using System.CommandLine;
using Orleans.Training.Cli;
using Orleans.Training.Cli.Demo;

var root = new RootCommand("Orleans.Training: train one model together, on a ledger that nobody controls.")
{
    DemoCommand.Create(),
    UpCommand.Create(),
    ServeCommand.Create(),
    VerifyCommand.Create(),
};
return await root.Parse(args).InvokeAsync();
