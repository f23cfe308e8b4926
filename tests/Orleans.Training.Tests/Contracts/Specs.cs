namespace Orleans.Training.Tests.Contracts;

internal static class Specs
{
    public static readonly byte[] Logistic = [];
}
