using EhrGrains.Sandbox;

var configuration = new ConfigurationBuilder().AddEnvironmentVariables().AddCommandLine(args).Build();
var options = configuration.GetSection("Sandbox").Get<SandboxOptions>() ?? new SandboxOptions();
await using var app = SandboxHost.Build(options);
await app.RunAsync();
